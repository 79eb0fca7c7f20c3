# What a task can do in Perl: the exceptions in all their forms, hooks, and what a job is told.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";
use Kit;
use Test::More;

my $kit = Kit->start;

my $said = $kit->do('kit.fail', {});
is $said->{type}, 'fail', 'an exception fails the job';
like $said->{error}{message}, qr/^boom at .*worker\.pl line \d+\.$/, 'with its message';
is $said->{error}{class}, 'die', 'its class';
like $said->{error}{trace}, qr/worker\.pl line \d+.*main::__ANON__/s,
    'and the stack of where it was';
unlike $said->{error}{trace}, qr/Workman::Worker/, 'without the frames of the SDK';
ok !exists $said->{retry}, 'the policy decides about a retry';
is $kit->do('kit.fail', {plain => 1})->{error}{message}, 'boom', 'a message may be plain';
is_deeply [@{$kit->do('kit.throw', ['Retry', delay => 1.5])}{qw(type retry delay_ms)}],
    ['fail', JSON::PP::true, 1500], 'Retry wants another try, later';
$said = $kit->do('kit.throw', ['Permanent', 'no such image', code => 'gone', data => {n => 1}]);
is_deeply [@$said{qw(type retry)}, @{$said->{error}}{qw(message code class)}, $said->{error}{data}],
    ['fail', JSON::PP::false, 'no such image', 'gone', 'Workman::Permanent', {n => 1}],
        'Permanent wants none';
$said = $kit->do('kit.throw', ['Abort', 'no disk', requeue => 1, delay => 2]);
is_deeply [@$said{qw(type reason requeue delay_ms)}], ['abort', 'no disk', JSON::PP::true, 2000],
    'Abort gives the job back';
is $kit->do('kit.throw', ['Abort', requeue => 0])->{requeue}, JSON::PP::false, 'or drops it';
ok !exists $kit->do('kit.throw', ['Abort'])->{requeue}, 'or leaves that to the policy';
is $kit->do('kit.nan')->{error}{code}, 'unserialisable_result', 'NaN is no result';
unlike $kit->{raw}, qr/:NaN|\[NaN/i, 'and never on the wire';
is $kit->do('kit.echo', ['nan', 'inf', 'Information'])->{type}, 'done', 'the words are';

my $id = $kit->job('kit.progress', {}, timeout_ms => 60000);
my @lines = map { $kit->read } 1 .. 8;
is_deeply [map { $_->{type} } @lines], [('progress') x 3, qw(log heartbeat data data done)],
    'a job talks before its outcome';
is_deeply [grep { $_->{id} ne $id } @lines], [], 'always with its id';
is_deeply [@{$lines[1]}{qw(done total message)}], [2, 3, 'step 2'], 'progress';
is_deeply [@{$lines[3]}{qw(level message)}, $lines[3]{fields}], ['warn', 'half-way', {step => 2}],
    'log';
is $lines[4]{extend_ms}, 5000, 'heartbeat';
is_deeply [$lines[5]{data}, @{$lines[6]}{qw(data_b64 warn)}], [{row => 1}, '/w==', JSON::PP::true],
    'data';
cmp_ok $lines[7]{result}, '>', 60, 'the time that was asked for counts as left';

$said = $kit->do('kit.enqueue');
is_deeply $said->{enqueue}, [{task => 'kit.echo', args => {from => $said->{id}}, delay_ms => 1500}],
    'a follow-up rides in the outcome';

ok !exists $kit->do('kit.drop')->{enqueue}, 'and is dropped when the job fails';

$id = $kit->job('kit.enqueue_now');
my $asked = $kit->read;
is_deeply [@$asked{qw(type task args_b64 unique)}], ['enqueue', 'kit.echo', 'AP8=', 'u'],
    'a job can be put on the queue at once';
my $parked = Kit::id();
$kit->write(qq({"type":"cancel","id":"$id","reason":"revoked"}\n)
    . qq({"type":"job","id":"$parked","task":"kit.echo","timeout_ms":0,"args":7}\n)
    . qq({"type":"reply","id":"other","ok":true}\n)
    . qq({"type":"reply","id":"$asked->{ref}","ok":true,"result":{"job":"9"}}\n));
$said = $kit->read;
is_deeply $said->{result}, {said => {job => '9'}, cancelled => 'revoked'},
    'the reply is found by its ref, the cancel is heard';
$said = $kit->read;
is "$said->{id} $said->{result}", "$parked 7", 'a line that came before the reply is not lost';

$kit->job('kit.enqueue_now');
$asked = $kit->read;
$kit->write(qq({"type":"reply","id":"$asked->{ref}","ok":false,"error":{"message":"full"}}\n));
is $kit->read->{error}{message}, 'full', 'a refusal is an exception';

$said = $kit->do('kit.fork');
is_deeply [@$said{qw(type result mine)}], ['done', 1, 1],
    'a forked child does not answer for its parent';

my $log = $kit->log;
like $log, qr/^marker on_start $said->{id}\nmarker on_done $said->{id}$/m, 'hooks run around a job';
like $log, qr/^marker on_fail /m, 'and when it fails';

# A child may live on; it holds nothing of ours.
is $kit->do('kit.orphan', {s => 30})->{type}, 'done', 'a job may leave a process behind';
$kit->ends_well('which does not keep the streams open');

done_testing;
