package Kit;

# Acts as the daemon: starts a worker on real pipes, talks to it, and keeps what it logs. Nothing
# waits without a deadline, and nothing waits for time to pass.

use strict;
use warnings;

use Fcntl qw(F_SETFD);
use FindBin;
use JSON::PP ();
use POSIX ();
use Test::More ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

our $WORKER   = "$FindBin::Bin/worker.pl";
our $DEADLINE = 20;
our $json     = JSON::PP->new->utf8->canonical->allow_nonref;
my $number = 0;

sub now { return clock_gettime(CLOCK_MONOTONIC) }

# start(env => {...}, args => [...], command => [...], fds => 1, boot => 0)
sub start {
    my ($class, %with) = @_;
    pipe my $job_read, my $job_write or die $!;
    pipe my $out_read, my $out_write or die $!;
    open my $log, '+>', undef or die $!;
    my $pid = fork // die $!;
    if (!$pid) {
        my @fds = $with{fds} ? (3, 4) : (0, 1);
        $ENV{WORKMAN} = 1;
        @ENV{qw(WORKMAN_IN WORKMAN_OUT)} = @fds if $with{fds};
        @ENV{keys %{$with{env}}} = values %{$with{env}} if $with{env};
        # Out of the way first: a source may be where a target is.
        my ($in, $out, $err) = map { POSIX::dup2(fileno $_->[0], $_->[1]); $_->[1] }
            [$job_read, 20], [$out_write, 21], [$log, 22];
        POSIX::dup2($err, 2);
        POSIX::dup2($err, 1) if $with{fds};
        POSIX::dup2($in,  $fds[0]);
        POSIX::dup2($out, $fds[1]);
        POSIX::close($_) for 20 .. 22;
        my @command = (@{$with{command} || [$^X, $WORKER]}, @{$with{args} || []});
        exec {$command[0]} @command or POSIX::_exit(127);
    }
    my $self = bless {pid => $pid, in => $job_write, out => $out_read, log => $log, buffer => '',
        raw => ''}, $class;
    if ($with{boot} // 1) {
        $self->write($json->encode({type => 'hello', proto => 1, proto_min => 1, max_line => 1 << 24,
            features => ['enqueue', 'cancel'], config => {dsn => 'x'}, %{$with{hello} || {}}}) . "\n");
        $self->{ready} = $self->read;
    }
    return $self;
}

sub write {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $from = 0;
    while ($from < length $bytes) {
        # The worker may be writing at the same time.
        my ($r, $w) = ('', '');
        vec($r, fileno $self->{out}, 1) = 1 if $self->{out};
        vec($w, fileno $self->{in},  1) = 1;
        select($r, $w, undef, $DEADLINE) > 0 or die "the worker does not read\n";
        if (vec $w, fileno $self->{in}, 1) {
            my $sent = syswrite $self->{in}, $bytes, 4096, $from;
            return 0 if !defined $sent;
            $from += $sent;
        } elsif (!sysread $self->{out}, $self->{buffer}, 1 << 16, length $self->{buffer}) {
            return 0;
        }
    }
    return 1;
}

sub id { return sprintf 'kit%09d', ++$number }

# Sends a job and returns its id.
sub job {
    my ($self, $task, $args, %more) = @_;
    my $id = id();
    $self->write($json->encode({type => 'job', id => $id, task => $task, attempt => 1, timeout_ms => 0,
        queue => {driver => 'kit', name => $task, job => '1'}, exists $more{args_b64} ? () : (args => $args),
        %more}) . "\n");
    return $id;
}

# The next message, or undef at the end of the stream.
sub read {
    my ($self, $seconds) = @_;
    my $deadline = now() + ($seconds // $DEADLINE);
    while (index($self->{buffer}, "\n") < 0) {
        my $r = '';
        vec($r, fileno $self->{out}, 1) = 1;
        my $left = $deadline - now();
        die "no line from the worker in time; its log:\n" . $self->log
            if $left <= 0 || !select $r, undef, undef, $left;
        my $got = sysread $self->{out}, $self->{buffer}, 1 << 16, length $self->{buffer};
        die "the worker's stream: $!" if !defined $got;
        if (!$got) {
            Test::More::is($self->{buffer}, '', 'the stream ends behind a whole line') if $self->{buffer} ne '';
            return undef;
        }
    }
    my $line = substr $self->{buffer}, 0, 1 + index($self->{buffer}, "\n"), '';
    chomp($self->{raw} = $line);
    return $json->decode($line);
}

# A job and its outcome.
sub do {
    my ($self, @job) = @_;
    my $id   = $self->job(@job);
    my $said = $self->read;
    $said->{mine} = $said->{id} eq $id ? 1 : 0;
    return $said;
}

# Waits until the worker has logged something.
sub logged {
    my ($self, $pattern) = @_;
    my $deadline = now() + $DEADLINE;
    until ($self->log =~ $pattern) {
        die "the log never said $pattern:\n" . $self->log if now() > $deadline;
        select undef, undef, undef, 0.005;
    }
    return 1;
}

sub log {
    my ($self) = @_;
    open my $log, '<', "/proc/$$/fd/" . fileno $self->{log} or die $!;
    local $/;
    return scalar(<$log>) // '';
}

sub signal { my ($self, $name) = @_; kill $name => $self->{pid}; return }

sub eof { my ($self) = @_; close $self->{in}; return }

# What else it writes, then its exit status ("ABRT" for a death by that signal).
sub rest {
    my ($self) = @_;
    my @lines;
    while (defined(my $message = $self->read)) { push @lines, $message }
    return (\@lines, $self->status);
}

sub status {
    my ($self) = @_;
    my $deadline = now() + $DEADLINE;
    while (!waitpid $self->{pid}, POSIX::WNOHANG()) {
        if (now() > $deadline) {
            kill KILL => $self->{pid};
            waitpid $self->{pid}, 0;
            return 'does not end';
        }
        select undef, undef, undef, 0.002;
    }
    my $status = $?;
    $self->{pid} = 0;
    return $status & 127 ? 'signal ' . ($status & 127) : $status >> 8;
}

# Closes stdin and expects a silent, clean end.
sub ends_well {
    my ($self, $name) = @_;
    $self->eof;
    my ($lines, $status) = $self->rest;
    Test::More::is_deeply([$lines, $status], [[], 0], $name // 'it ends at the end of its input');
    return;
}

sub DESTROY {
    my ($self) = @_;
    return if !$self->{pid};
    local ($?, $!);
    kill KILL => $self->{pid};
    waitpid $self->{pid}, 0;
}

1;
