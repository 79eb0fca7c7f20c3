package Workman::Template;

# The process that workers are forked from (preload: true): loaded once, without jobs of its own.

use strict;
use warnings;

use Config ();
use POSIX  ();
use Socket qw(AF_UNIX SOCK_STREAM pack_sockaddr_un);
use Workman::Signals ();
use Workman::Wire    ();

use constant PR_SET_PDEATHSIG => 1;

# Of prctl(2); core Perl has no name for it.
my %PRCTL = (x86_64 => 157, aarch64 => 167, riscv64 => 167, i686 => 172, i386 => 172, arm => 172, s390x => 172,
    powerpc64le => 171);

# Whether the greeting asks for a template. Only a process that was told to wait for it waits.
sub asked_for {
    my ($worker) = @_;
    my $waits = delete $ENV{WORKMAN_ZYGOTE};
    my $wire  = $worker->{wire};
    my $line;
    while (!defined($line = $wire->line) && !$wire->ended) {
        last if !$wire->fill($waits ? Workman::Worker::BLINK() : 0) && !$waits;
    }
    return 0 if !defined $line;
    push @{$worker->{parked}}, $line;
    my $hello = eval { $Workman::Wire::JSON->decode($line) };
    return 0 if ref $hello ne 'HASH' || ref $hello->{features} ne 'ARRAY';
    return scalar grep { $_ eq 'zygote' } @{$hello->{features}};
}

# Forks a worker for each `fork` that comes, and returns in that worker. The template itself ends in
# here, when the daemon closes its input.
sub be {
    my ($worker, $ready) = @_;
    my $wire = $worker->{wire};
    $worker->{parked} = [];
    $worker->send($ready);
    while (1) {
        while (defined(my $line = $wire->line)) {
            my $message = eval { $Workman::Wire::JSON->decode($line) };
            next if ref $message ne 'HASH' || ($message->{type} // '') ne 'fork';
            return if _fork($worker, $message);
        }
        POSIX::_exit(0) if $wire->ended || $Workman::Signals::leave;
        $wire->fill(Workman::Worker::BLINK());
    }
}

# True in the new worker. It is a grandchild whose parent has ended, so that it becomes a child of the
# daemon, which alone waits for it.
sub _fork {
    my ($worker, $message) = @_;
    $_ && $_->() for $worker->{before_fork};
    my $daemon = getppid;
    pipe my $ours, my $theirs or return _refuse($worker, $message, "pipe: $!");
    my $middle = fork;
    return _refuse($worker, $message, "fork: $!") if !defined $middle;
    if ($middle) {
        close $theirs;
        my $why = join '', <$ours>;    # Its end: the worker is connected.
        waitpid $middle, 0;
        return $why eq '' ? 0 : _refuse($worker, $message, $why);
    }
    close $ours;
    my $done = eval {
        my $child = fork;
        die "fork: $!\n" if !defined $child;
        POSIX::_exit(0) if $child;
        _attach($worker, $message, $daemon);
        1;
    };
    return 1 if $done;
    syswrite $theirs, $@;
    POSIX::_exit(1);
}

sub _refuse {
    my ($worker, $message, $why) = @_;
    chomp $why;
    $worker->send($Workman::Wire::JSON->encode({type => 'exited', token => $message->{token}, why => $why}));
    return 0;
}

# Makes a worker of this process: a child of the daemon, with descriptors of its own.
sub _attach {
    my ($worker, $message, $daemon) = @_;
    my $middle = getppid;
    select undef, undef, undef, 0.0002 while getppid == $middle && $middle != $daemon;
    POSIX::setsid();
    my ($machine) = $Config::Config{archname} =~ /\A([^-]+)/;
    my $call = $PRCTL{$machine =~ s/\Aarm.*/arm/r};
    # Where the number is not known, the end of the input has to do.
    syscall $call, PR_SET_PDEATHSIG, POSIX::SIGKILL(), 0, 0, 0 if $call;
    POSIX::_exit(1) if getppid != $daemon;
    $ENV{WORKMAN_WORKER} = $message->{worker};
    Workman::Signals::install();
    if ($message->{stderr}) {
        my $err = _connect($message, stream => 'stderr');
        open STDERR, '>&', $err     or die "stderr: $!\n";
        open STDOUT, '>&', \*STDERR or die "stdout: $!\n";
    }
    my $channel = _connect($message);
    open my $out, '>&', $channel or die "dup: $!\n";
    $worker->{wire}->start_afresh($channel, $out);
    $worker->{pid} = $$;
    return;
}

sub _connect {
    my ($message, %more) = @_;
    socket my $channel, AF_UNIX, SOCK_STREAM, 0 or die "socket: $!\n";
    connect $channel, pack_sockaddr_un($message->{socket}) or die "connect to $message->{socket}: $!\n";
    my $line = $Workman::Wire::JSON->encode({type => 'attach', token => $message->{token}, %more});
    syswrite $channel, "$line\n" or die "attach: $!\n";
    return $channel;
}

1;
