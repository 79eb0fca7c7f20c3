# beanstalkd from Ruby, as its users write it: SERVER put|take TUBE [BODY].
require 'beaneater'

server, verb, tube, body = ARGV
client = Beaneater.new(server)
if verb == 'put'
  client.tubes[tube].put(body)
else
  client.tubes.watch!(tube)
  job = client.tubes.reserve(60)
  print job.body
  job.delete
end
client.close
