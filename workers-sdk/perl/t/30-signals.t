# A notice to stop does not cut a sleep short, and gives back what was parked; the stack of an abort.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Kit;
use Test::More;

# A job that has begun: its hook has said so.
sub begun {
    my ($kit, @job) = @_;
    my $id = $kit->job(@job);
    $kit->logged(qr/^marker on_start $id$/m);
    return $id;
}

for my $signal (qw(TERM HUP)) {
    my $kit = Kit->start;
    $kit->do('kit.echo');
    my $start = Kit::now();
    $kit->signal($signal);
    my ($lines, $status) = $kit->rest;
    is_deeply [$lines, $status], [[], 0], "$signal ends an idle worker";
    cmp_ok Kit::now() - $start, '<', 2, 'at once';

    $kit = Kit->start;
    $start = Kit::now();
    my $id = begun($kit, 'kit.sleep', {s => 1});
    $kit->signal($signal) for 1 .. 2;
    $kit->signal('INT');
    my $parked = $kit->job('kit.echo', 1);
    ($lines, $status) = $kit->rest;
    is_deeply [map({"$_->{type} $_->{id}"} @$lines), $status], ["done $id", "abort $parked", 0],
        "$signal lets a job end and gives parked ones back";
    is $lines->[1]{requeue}, JSON::PP::true, 'to the queue';
    cmp_ok Kit::now() - $start, '>=', 1, 'not even its sleep is cut short';
}

{
    my $kit = Kit->start(env => {FIXTURE_PREFETCH => 2});
    is $kit->{ready}{prefetch}, 2, 'prefetch is announced';
    my $id = begun($kit, 'kit.sleep', {s => 0.2});
    my @parked = map { $kit->job('kit.echo', $_) } 1, 2;
    $kit->write(qq({"type":"shutdown","reason":"restart","deadline_ms":1000}\n));
    is_deeply [map { my $said = $kit->read; "$said->{type} $said->{id}" } 1 .. 3],
        ["done $id", map {"abort $_"} @parked],
            'a notice gives parked jobs back, even from behind them';
    $kit->ends_well;
}

{
    my $kit = Kit->start;
    my $id = begun($kit, 'kit.sleep', {s => 1});
    $kit->signal('INT');
    is $kit->read->{id}, $id, 'INT does nothing';
    $kit->ends_well;
}

{
    my $kit = Kit->start;
    $kit->do('kit.echo');
    $kit->signal('ABRT');
    my ($lines, $status) = $kit->rest;
    is_deeply [$lines, $status], [[], 0], 'ABRT ends an idle worker without a word';
}

for my $case (['kit.sleep', {s => 20}], ['kit.spin', {s => 20}], ['kit.swallow', {}]) {
    my ($task, $args) = @$case;
    my $kit = Kit->start;
    my $id = begun($kit, $task, $args);
    my $start = Kit::now();
    $kit->signal('ABRT');
    my ($lines, $status) = $kit->rest;
    is_deeply [map({"$_->{type} $_->{id}"} @$lines), $status], ["abort $id", 0], "ABRT in $task is one abort";
    like $lines->[0]{reason}, qr/^force killed \(shutdown\)\n.*worker\.pl line \d+/s,
        'with the stack of where it was';
    unlike $lines->[0]{reason}, qr/Workman::Worker/, 'and no frames of the SDK';
    cmp_ok Kit::now() - $start, '<', 2, 'at once';
    like $kit->log, qr/^marker on_abort $id$/m, 'and the hook has run';
    ok !exists $lines->[0]{requeue}, 'the policy of the task holds';
}

{
    my $kit = Kit->start;
    my $id = begun($kit, 'kit.sleepy', {s => 20});
    $kit->write(qq({"type":"cancel","id":"$id","reason":"timeout"}\n));
    $kit->signal('ABRT');
    my ($lines, $status) = $kit->rest;
    is_deeply [@{$lines->[0]}{qw(type requeue)}, $lines->[0]{enqueue}],
        ['abort', JSON::PP::false, [{task => 'kit.print', args => {text => 'again 20, timeout'}}]],
        'a hook can put the job on the queue itself';
    like $lines->[0]{reason}, qr/main::deep/, 'the stack is the whole one';
}

done_testing;
