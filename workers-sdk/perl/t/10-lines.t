# Announcements in full, and lines that Perl reads in a way of its own.
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
    is $ready->{proto}, 1, 'it speaks version 1';
    is $ready->{pid}, $kit->{pid}, 'with its own pid';
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

my $kit = Kit->start;
is $kit->do('kit.class', {})->{result}{task}, 'kit.class', 'a class does a job';
is_deeply $kit->do('kit.args', {})->{result}{config}, {dsn => 'x'},
    'the configuration of the profile reaches the job';
is $kit->do('kit.echo', 2, x_more => {a => [{}]})->{result}, 2, 'unknown members are ignored';

my $text = "\x{e9} \x{1F600} \x{2028} \" \\ \n \x00 \x7f";
is $kit->do('kit.echo', $text)->{result}, $text, 'text comes back as it went';
unlike $kit->{raw}, qr/\n/, 'on one line';
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
    . qq("deadline_at":1764000030000,"args":null,"queue":{"driver":"sqlite","name":"q","job":"1"}}\n));
is_deeply $kit->read->{result}, {config => {dsn => 'x'}, attempt => 2, deadline => 1764000030,
    queue => {driver => 'sqlite', name => 'q', job => '1'}},
    'attempt, time limit and queue are known to the job, also that way';
for my $shape ('0', '""', '[]', '{}', 'false', '12345678901234567') {
    my $id = Kit::id();
    $kit->write(qq({"type":"job","id":"$id","task":"kit.echo","attempt":1,"timeout_ms":0,"args":$shape}\n));
    $kit->read;
    is $kit->{raw}, qq({"type":"done","id":"$id","result":$shape}), "$shape comes back as it is";
}
$kit->write("not json\n[]\n");
is $kit->do('kit.echo', 4)->{result}, 4, 'garbage is ignored';
like $kit->log, qr/^<4>ignored a line/m, 'and logged';
{
    my $id = Kit::id();
    $kit->write(qq({"type":"job","id":"$id","task":"kit.echo","timeout_ms":0,"args":"\\ud800"}\n));
    my $said = $kit->read;
    is "$said->{id} $said->{type} $said->{error}{code}", "$id fail unreadable_args",
        'a job that cannot be read fails';
}
is $kit->do('kit.sleep', 'text')->{type}, 'fail', 'arguments of a wrong type fail the job';
is $kit->do('kit.echo', 5)->{result}, 5, 'and nothing else';
$kit->write(qq({"type":"shutdown","reason":"stop"}\n));
$kit->ends_well('after a notice it ends at the end of its input');

{
    my $other = Kit->start(fds => 1);
    is $other->do('kit.print', {})->{type}, 'done', 'WORKMAN_IN and WORKMAN_OUT name other descriptors';
    $other->ends_well;
    like $other->log, qr/^noise$/m, 'standard output is a log then';
}
done_testing;
