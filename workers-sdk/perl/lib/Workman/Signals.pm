package Workman::Signals;

# What signals do to a worker. TERM and HUP never disturb a job; ABRT throws into a running one, and
# the state decides what it does at any other moment, so that each job has exactly one outcome:
#
#   STARTING   no job is taken yet, or ever again: ABRT ends the process at once
#   IDLE       no job: ABRT ends the process behind the answers to what came before it
#   RUNNING    the job's code runs: ABRT throws Workman::ForceKilled into it
#   FINISHING  a line is taken or an outcome written: ABRT is noted, the line goes out whole
#   ABORTING   ABRT has thrown: a second one cannot hurt the hook

use strict;
use warnings;

use Carp ();
use POSIX qw(:signal_h);
use Workman::Exceptions ();
use Workman::Wire ();

use constant {IDLE => 0, RUNNING => 1, FINISHING => 2, ABORTING => 3, STARTING => 4};

our $state = STARTING;
our $leave;        # TERM, HUP, or an ABRT that came too late: take no more jobs, then go
our $killed;       # the ForceKilled that was thrown, even if the job's code has caught it
our $shielded = 0; # a line is being written inside a job: ABRT waits for its end
my ($owner, $waiting, $interruptions) = (0, 0, 0);
my ($HERE) = __FILE__ =~ m{\A(.*/)};

# A handler, unlike IGNORE, is not inherited by the programs that a job starts. SA_RESTART lets
# reading, writing and waiting go on; INT and PIPE do nothing else.
sub install {
    $owner = $$;
    _handle(TERM => SA_RESTART, sub { $leave = 1 });
    _handle(HUP  => SA_RESTART, sub { $leave = 1 });
    _handle($_ => SA_RESTART, sub { }) for qw(INT PIPE);
    # Without SA_RESTART: the throw has to get out of a blocked call.
    _handle(ABRT => 0, \&_abort);
    return;
}

sub _handle {
    my ($name, $flags, $code) = @_;
    my $number  = POSIX->can("SIG$name")->();
    my $handler = sub {
        # A forked child of a job must be as mortal as any process.
        if ($$ != $owner) {
            $SIG{$name} = 'DEFAULT';
            return kill $name => $$;
        }
        $interruptions++;
        $code->();
    };
    my $action = POSIX::SigAction->new($handler, POSIX::SigSet->new, $flags);
    $action->safe(1);
    sigaction($number, $action) or die "SIG$name: $!\n";
    return;
}

sub _abort {
    if ($state == RUNNING) {
        return $waiting = 1 if $shielded;
        $state = ABORTING;
        $killed = Workman::ForceKilled->new(trace => trimmed(Carp::longmess('')));
        die $killed;
    }
    POSIX::_exit(0) if $state == STARTING;
    return $leave = 1;
}

# A stack without what the SDK has called.
sub trimmed {
    my ($stack) = @_;
    my @frames = grep { /\S/ } split /\n/, $stack;
    for my $i (0 .. $#frames) {
        next if $frames[$i] !~ /\A\s*Workman::Task::run\(/;
        splice @frames, $i;
        last;
    }
    # Kept: what is called from here, unless that is of the SDK, too.
    return join "\n", grep { !/ at \Q$HERE\E\w+\.pm line \d+\.?\z/ || /\A\s*(?!Workman::|eval )[\w:]+\(/ } @frames;
}

# Runs code that ABRT must not cut in two, and lets a waiting ABRT in behind it.
sub shielded {
    my ($code) = @_;
    $shielded++;
    my $result = $code->();
    $shielded--;
    if ($waiting && !$shielded) {
        $waiting = 0;
        _abort();
    }
    return $result;
}

# At the very end: nothing may turn a clean exit into a death by signal.
sub block {
    sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM, SIGHUP, SIGINT, SIGABRT));
    return;
}

# ---- sleep ----

# A signal ends every sleep early; a notice to stop must not. select() ends at once when ABRT comes,
# where Time::HiRes sleeps in two parts and hears it only after the second.
sub _sleep {
    my ($seconds) = @_;
    my $start = Workman::Wire::now();
    my $end   = $start + $seconds;
    while ((my $left = $end - Workman::Wire::now()) > 0) {
        my $before = $interruptions;
        select undef, undef, undef, $left;
        last if $before == $interruptions && $end - Workman::Wire::now() > 0.001;
    }
    return Workman::Wire::now() - $start;
}

# For all code that is compiled after this. A sleep without a length is the system's own.
sub protect_sleep {
    no warnings 'redefine';
    my $whole = Time::HiRes->can('sleep');
    no strict 'refs';
    *{'CORE::GLOBAL::sleep'} = sub (;$) { return int(0.5 + (@_ ? _sleep(int $_[0]) : CORE::sleep())) };
    *{'Time::HiRes::sleep'}  = sub (;@) { return @_ ? _sleep($_[0]) : $whole->() };
    return;
}

1;
