# The cases that every worker has to pass: announcing, answering, and leaving.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/lib";
use Kit;
use Test::More;

{
    my $kit = Kit->start(boot => 0);
    my $ready = $kit->read;
    is $ready->{type}, 'ready', 'it announces itself without a hello';
    is $ready->{proto}, 1, 'in version 1';
    is $ready->{pid}, $kit->{pid}, 'with its own pid';
    is_deeply $ready->{signals}, ['TERM', 'ABRT'], 'and the signals it handles';
    my %task = map { ref $_ ? ($_->{name} => $_) : ($_ => $_) } @{$ready->{tasks}};
    is $task{'kit.echo'}, 'kit.echo', 'a task without options is its name';
    is_deeply $task{'kit.options'}, {
        name => 'kit.options', timeout_ms => 30000, max_attempts => 4, on_abort => 'fail', limit => 3,
        stall_ms => 2500, payload => 'json', desc => 'all of them',
        backoff => {kind => 'exp', base_ms => 1000, max_ms => 60000, jitter => 0.2}},
        'options are announced';
    is_deeply $task{'kit.class'}, {name => 'kit.class', timeout_ms => 600000, limit => 2},
        'and so are those of a class';
    like $kit->log, qr/^marker on_boot$/m, 'on_boot has run by then';
    $kit->ends_well;
    like $kit->log, qr/^marker on_exit$/m, 'on_exit has run';
}

{
    my $kit = Kit->start(boot => 0);
    $kit->eof;
    my ($lines, $status) = $kit->rest;
    is $status, 0, 'the end of the input before ready is an end, too';
}

my $kit = Kit->start;
is_deeply $kit->do('kit.echo', {a => 1}), {type => 'done', id => sprintf('kit%09d', 1), result => {a => 1}, mine => 1},
    'a job is done';
is $kit->do('kit.class', {})->{result}{task}, 'kit.class', 'by a class, too';
is_deeply $kit->do('kit.args', {})->{result}{config}, {dsn => 'x'},
    'the configuration of the profile reaches the job';

my @wrong = grep { my $said = $kit->do('kit.echo', {n => $_}); !$said->{mine} || $said->{result}{n} != $_ } 1 .. 100;
is_deeply \@wrong, [], 'a hundred jobs, one after the other';

$kit->write(qq({"type":"x-future","id":"z"}\n));
is $kit->do('kit.echo', 1)->{result}, 1, 'an unknown type is ignored';
is $kit->do('kit.echo', 2, x_more => {a => [{}]})->{result}, 2, 'unknown members are ignored';

my $text = "\x{e9} \x{1F600} \x{2028} \" \\ \n \x00 \x7f";
is $kit->do('kit.echo', $text)->{result}, $text, 'text comes back as it went';
unlike $kit->{raw}, qr/\n/, 'on one line';
{
    my $line = $Kit::json->encode({type => 'job', id => Kit::id(), task => 'kit.echo', timeout_ms => 0, args => "h\x{e9}"});
    $kit->write($_) for split //, "$line\n";
    is $kit->read->{result}, "h\x{e9}", 'a line may come byte by byte';
}
# As the daemon writes it, which takes a shorter way; and with traps on that way.
for my $args ('{"a":[1,"b"]}', '{"x":1,"queue":{"driver":"y"}}', '"\\",\\"queue\\":{}}"') {
    for my $more ('', ',"x_y":{"a":1,"queue":{}}', ',"trace":{"queue":"{}"}') {
        my $id = Kit::id();
        $kit->write(qq({"type":"job","id":"$id","task":"kit.echo","attempt":2,"max_attempts":3,"timeout_ms":5000,)
            . qq("deadline_at":1764000030000,"args":$args,"queue":{"driver":"sqlite","name":"q","job":"1"}$more}\n));
        is_deeply $kit->read, {type => 'done', id => $id, result => $Kit::json->decode($args)}, "$args$more";
    }
}
$kit->write(qq({"type":"job","id":"kitargs00001","task":"kit.args","attempt":2,"max_attempts":3,"timeout_ms":0,)
    . qq("args":null,"queue":{"driver":"sqlite","name":"q","job":"1"}}\n));
is_deeply $kit->read->{result}, {config => {dsn => 'x'}, attempt => 2, queue => {driver => 'sqlite', name => 'q', job => '1'}},
    'attempt and queue are known to the job';
my $big = 'x' x (1 << 20);
ok $kit->do('kit.echo', $big)->{result} eq $big, 'a mebibyte goes both ways';
for my $shape ('null', '0', '""', '[]', '{}', 'false', '12345678901234567') {
    my $id = Kit::id();
    $kit->write(qq({"type":"job","id":"$id","task":"kit.echo","attempt":1,"timeout_ms":0,"args":$shape}\n));
    $kit->read;
    is $kit->{raw}, qq({"type":"done","id":"$id","result":$shape}), "$shape comes back as it is";
}
{
    my ($one, $two) = (Kit::id(), Kit::id());
    $kit->write(join '', map {qq({"type":"job","id":"$_","task":"kit.echo","timeout_ms":0,"args":1}\n)} $one, $two);
    is_deeply [map { $kit->read->{id} } 1, 2], [$one, $two],
        'two jobs in one write keep their order';
}
{
    my $id = Kit::id();
    $kit->write(qq( { "args" : [1] ,\t"timeout_ms":0, "task" : "kit.echo", "id":"$id", "type" : "job" }\r\n));
    is_deeply $kit->read->{result}, [1], 'a carriage return, spaces and another order are fine';
}
$kit->write("\n \t\n");
is $kit->do('kit.echo', 3)->{result}, 3, 'blank lines are skipped';
$kit->write("not json\n[]\n");
is $kit->do('kit.echo', 4)->{result}, 4, 'garbage is ignored';
like $kit->log, qr/^<4>ignored a line/m, 'and logged';
is $kit->do('kit.nosuch', 1)->{error}{code}, 'task_not_found', 'an unknown task is said to be one';
{
    my $id = Kit::id();
    $kit->write(qq({"type":"job","id":"$id","task":"kit.echo","timeout_ms":0,"args":"\\ud800"}\n));
    my $said = $kit->read;
    is "$said->{id} $said->{type} $said->{error}{code}", "$id fail bad_payload",
        'a job that cannot be read fails';
}
is $kit->do('kit.sleep', 'text')->{type}, 'fail', 'arguments of a wrong type fail the job';
is $kit->do('kit.echo', 5)->{result}, 5, 'and nothing else';
$kit->write(qq({"type":"shutdown","reason":"stop"}\n));
$kit->ends_well('after a notice it ends at the end of its input');

{
    my $other = Kit->start;
    my $id = $other->job('kit.echo', 1);
    $other->eof;
    my ($lines, $status) = $other->rest;
    is_deeply [map({ $_->{id} } @$lines), $status], [$id, 0], 'a job before the end is done';
}
{
    my $other = Kit->start;
    $other->write('{"type":"job","id":"kithalf00000","task":"kit.echo","args":1}');
    $other->ends_well('half a line is no job');
}
{
    my $other = Kit->start(fds => 1);
    is $other->do('kit.echo', 6)->{result}, 6, 'WORKMAN_IN and WORKMAN_OUT name other descriptors';
    is $other->do('kit.print', {})->{type}, 'done', 'there as well';
    $other->ends_well;
    like $other->log, qr/^noise$/m, 'standard output is a log then';
}
{
    my $other = Kit->start(hello => {max_line => 65536});
    my $said = $other->do('kit.bytes', {n => 65536});
    is "$said->{error}{code} " . ($said->{retry} ? 1 : 0), 'result_too_large 0',
        'a result beyond max_line fails for good';
}
{
    my $other = Kit->start(hello => {proto => 3, proto_min => 2}, boot => 0);
    $other->write(qq({"type":"hello","proto":3,"proto_min":2}\n));
    my ($lines, $status) = $other->rest;
    is $status, 78, 'another version of the protocol is a wrong configuration';
}
{
    my $other = Kit->start;
    close delete $other->{out};
    $other->job('kit.echo', 1);
    is $other->status, 1, 'nobody reads: exit 1';
}
done_testing;
