# Under the real daemon, with a SQLite queue: results, failures, and a stop that comes too soon for a
# job, whose hook then puts it on the queue again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";
use File::Temp ();
use IO::Socket::UNIX ();
use Kit;
use Test::More;
use Workman::Client;

plan skip_all => 'WORKMAN_BUILD names no build of workmand' if !$ENV{WORKMAN_BUILD};
my $workmand = "$ENV{WORKMAN_BUILD}/bin/workmand";
my $folder   = File::Temp->newdir('workmanXXXXXX', TMPDIR => 1);
my $pid;

# YAML takes JSON.
open my $profile, '>', "$folder/t.yaml" or die $!;
print $profile $Kit::json->encode({
    name => 't', command => [$^X, $Kit::WORKER], max_workers => 1, state_dir => "$folder",
    graceful_shutdown_timeout => '300ms', abort_timeout => '20s', exit_grace => '20s',
    retry_backoff => {min => '20ms', max => '20ms'}, tasks => {'kit.fail' => {max_attempts => 2}},
    queue => {driver => 'sqlite'}, admin => {socket => "$folder/t.sock"},
});
close $profile or die $!;

sub log_of { open my $log, '<', "$folder/log" or return ''; local $/; return scalar(<$log>) // '' }

sub wait_for {
    my ($what, $code) = @_;
    my $deadline = Kit::now() + $Kit::DEADLINE;
    until ($code->()) {
        die "waited for $what:\n" . log_of() if Kit::now() > $deadline;
        select undef, undef, undef, 0.01;
    }
    return pass $what;
}

sub start_daemon {
    $pid = fork // die $!;
    return wait_for('the daemon serves', sub { IO::Socket::UNIX->new(Peer => "$folder/t.sock") }) if $pid;
    open STDERR, '>>', "$folder/log" or die $!;
    exec {$workmand} $workmand, "$folder/t.yaml" or POSIX::_exit(127);
}

sub stop_daemon {
    kill TERM => $pid;
    wait_for('the daemon ends', sub { waitpid $pid, POSIX::WNOHANG() });
    is $?, 0, 'in good order';
    $pid = 0;
    return;
}

END {
    if ($pid) {
        local $?;
        kill KILL => $pid;
        waitpid $pid, 0;
    }
}

start_daemon();
my $client = Workman::Client->new(socket => "$folder/t.sock");
my @wait   = (timeout => $Kit::DEADLINE);
is_deeply $client->enqueue_with_wait('kit.echo', {text => "\x{e9}\x{2028}"}, @wait), {text => "\x{e9}\x{2028}"}, 'a result';
is $client->enqueue_with_wait('kit.bytes', {n => 256}, @wait)->data, join('', map {chr} 0 .. 255),
    'bytes as a result';
ok !eval { $client->enqueue_with_wait('kit.fail', {plain => 1}, @wait); 1 },
    'a failed job is an exception';
is_deeply [ref $@, "$@"], ['Workman::Client::Failed', 'boom'], 'with what the job said';
ok !eval { $client->enqueue_with_wait('kit.sleep', {s => 0.9}, timeout => 0.1); 1 },
    'waiting has an end';
is ref $@, 'Workman::Client::Timeout', 'which is another exception';
ok !eval { $client->enqueue('', {}); 1 }, 'what the daemon refuses';
like $@, qr/^the daemon refused the job: \S/, 'it says why';
is_deeply [sort keys %{$client->enqueue_with_wait('kit.enqueue_now', {}, @wait)}], ['cancelled', 'said'], 'a job can enqueue at once';

my $queued = $client->enqueue_background('kit.sleepy', {s => 60});
like $queued, qr/^\S+$/, 'a job in the background has an id';
wait_for('the long job has begun', sub { log_of() =~ /job=\Q$queued\E line="marker on_start/ });
stop_daemon();
like log_of(), qr/marker on_abort/, 'the hook of the job that was in the way has run';
unlike log_of(), qr/again 60/, 'and what it put on the queue has not';

start_daemon();
wait_for('the next daemon finds it there', sub { log_of() =~ /again 60, shutdown/ });
stop_daemon();
done_testing;
