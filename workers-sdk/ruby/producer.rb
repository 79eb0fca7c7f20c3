#!/usr/bin/env ruby
# frozen_string_literal: true

# For the tests of the client: makes one call, which is told as JSON, and prints what came of it.

require_relative "lib/workman"

call = JSON.parse(ARGV[0], symbolize_names: true)
options = call.fetch(:options, {})
args = call[:bytes] ? call[:bytes].unpack1("m0") : call[:args]
begin
  client = Workman::Client.new(*call[:profile], socket: call[:socket])
  value = call[:call] == "status" ? client.status : client.public_send(call[:call], call[:task], args, **options)
  puts JSON.generate(value.is_a?(String) && value.encoding == Encoding::BINARY ? {bytes: [value].pack("m0")} : {value: value})
rescue Workman::ClientError, ArgumentError => error
  said = {error: error.class.name.split("::").last, message: error.message}
  said[:failure] = error.failure if error.is_a?(Workman::JobFailed)
  puts JSON.generate(said)
end
