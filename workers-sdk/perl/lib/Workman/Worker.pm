package Workman::Worker;

# A worker process of workmand: it announces the tasks that its loader returns, runs their jobs one
# after the other, and goes when it is told to. Load it first: from then on, what other modules
# print on STDOUT goes to the log. See README.md.

use strict;
use warnings;

our $VERSION = '0.1.0';

use Carp ();
use Workman::Wire ();
BEGIN { Workman::Wire::claim() if $ENV{WORKMAN} }
use Workman::Signals ();
BEGIN { Workman::Signals::protect_sleep() if $Workman::Wire::claimed }
use Scalar::Util qw(blessed);
use Workman::Exceptions ();
use Workman::Job        ();
use Workman::Outcome    ();
use Workman::Task       ();

use constant {
    IDLE      => Workman::Signals::IDLE,
    FINISHING => Workman::Signals::FINISHING,
    # How long a signal can go unnoticed that comes just before select() begins to wait: Perl calls
    # a handler between two operations only.
    BLINK => 1,
};

our @HOOKS = qw(on_boot on_exit before_fork after_fork on_start on_done on_fail on_abort);
my %known = map { $_ => 1 } qw(task_loader prefetch), @HOOKS;

# task_loader: returns the Workman::Task::Set; runs in the worker. prefetch: jobs parked here beside
# the running one. The hooks are those of a task, for all tasks, and four without arguments.
sub new {
    my ($class, %options) = @_;
    Carp::croak("Workman::Worker has no option $_") for grep { !$known{$_} } sort keys %options;
    Carp::croak('task_loader must be code') if ref $options{task_loader} ne 'CODE';
    return bless {%options, hello => {}, parked => []}, $class;
}

for my $hook (@HOOKS) {
    no strict 'refs';
    *$hook = sub { my ($self, $code) = @_; $self->{$hook} = $code; return $self };
}

# Serves until there is no more to do, and never returns. By hand, it says what it is.
sub run {
    my ($self) = @_;
    if (!$Workman::Wire::claimed) {
        require Workman::ByHand;
        exit Workman::ByHand::run($self, @ARGV);
    }
    $self->{wire} = $Workman::Wire::claimed;
    $self->{pid}  = $$;
    Workman::Signals::install();
    $self->_preloaded || $self->load;
    $self->_serve;
    $Workman::Signals::state = Workman::Signals::STARTING;
    $_ && $_->() for $self->{on_exit};
    Workman::Signals::block();
    exit 0;
}

sub hello { return $_[0]{hello} }
sub tasks { return $_[0]{tasks} }

# Runs the loader: the tasks are known afterwards.
sub load {
    my ($self) = @_;
    $_ && $_->() for $self->{after_fork};
    $self->_load_tasks;
    $_ && $_->() for $self->{on_boot};
    return;
}

# In a template: ends with it. In a worker: false, unless it was forked from a template, and is loaded.
sub _preloaded {
    my ($self) = @_;
    require Workman::Template if $ENV{WORKMAN_ZYGOTE};
    return 0 if !$INC{'Workman/Template.pm'} || !Workman::Template::asked_for($self);
    $self->_load_tasks;
    Workman::Template::be($self, $self->_ready(zygote => $Workman::Wire::TRUE));
    $_ && $_->() for $self->{after_fork}, $self->{on_boot};
    return 1;
}

sub _load_tasks {
    my ($self) = @_;
    my $set = $self->{task_loader}->();
    die "the task loader returned no Workman::Task::Set\n"
        if !blessed $set || !$set->isa('Workman::Task::Set');
    my $names = () = $set->names;
    die "the task loader returned no task\n" if !$names;
    $self->{tasks} = $set;
    return;
}

sub _serve {
    my ($self) = @_;
    $self->send($self->_ready);
    while (1) {
        # From here to the outcome, ABRT does not end the process between two steps.
        $Workman::Signals::state = FINISHING;
        if (defined(my $line = $self->_next)) {
            $self->_take($line);
            next;
        }
        $Workman::Signals::state = IDLE;
        return if $self->{wire}->ended;
        return if $Workman::Signals::leave && !$self->{wire}->fill(0);
        $self->{wire}->fill(BLINK);
    }
}

sub _ready {
    my ($self, %more) = @_;
    my %ready = (
        %more,
        type     => 'ready',
        proto    => 1,
        sdk      => {name => 'workman-perl', version => $VERSION, lang => sprintf 'perl %vd', $^V},
        pid      => $$,
        signals  => ['TERM', 'ABRT'],
        features => ['enqueue', 'cancel', 'extend'],
        tasks    => $self->{tasks}->announcement,
    );
    $ready{prefetch} = int $self->{prefetch} if $self->{prefetch};
    return $Workman::Wire::JSON->encode(\%ready);
}

# ---- lines ----

sub _next {
    my ($self) = @_;
    return shift @{$self->{parked}} if @{$self->{parked}};
    return $self->{wire}->line;
}

sub _take {
    my ($self, $line) = @_;
    my $message = Workman::Job::quick($line);
    return $self->_job($message) if $message;
    return if $line !~ /\S/;
    $message = $self->_decode($line) or return;
    my $type = $message->{type};
    if ($type eq 'job') {
        $self->_job($message);
    } elsif ($type eq 'shutdown') {
        $self->{drain} = 1;
    } elsif ($type eq 'hello') {
        $self->_hello($message);
    } elsif ($type eq 'ping') {
        $self->send('{"type":"pong",' . Workman::Wire::payload(id => $message->{id}) . '}');
    }
    return;
}

# The message, or undef for what is none. A job that cannot be read still gets its outcome.
sub _decode {
    my ($self, $line) = @_;
    my $message = eval { $Workman::Wire::JSON->decode($line) };
    return $message if ref $message eq 'HASH' && defined $message->{type} && !ref $message->{type};
    my $why = $@ ? $@ =~ s/ at \S+ line \d+\.?\s*\z//r : 'no message';
    if ($line =~ /\A\s*\{"type":"job","id":"([0-9A-Za-z]+)"/) {
        $self->send(Workman::Outcome::fail($1, {message => "unreadable job: $why", code => 'unreadable_args'}));
    } else {
        print STDERR '<4>ignored a line from the daemon: ', $why, "\n";
    }
    return undef;
}

sub _hello {
    my ($self, $hello) = @_;
    if (($hello->{proto_min} // 1) > 1) {
        print STDERR "<3>this SDK speaks version 1 of the protocol, the daemon does not\n";
        exit 78;
    }
    $self->{hello} = $hello;
    return;
}

sub _job {
    my ($self, $message) = @_;
    # A notice may wait behind parked jobs, and then they are given back.
    if ($self->{wire}->pending) {
        1 while $self->{wire}->fill(0);
        $self->{drain} = 1 if $self->{wire}->told_to_stop;
    }
    my $id = $message->{id};
    if (grep { !defined || ref } $id, $message->{task}) {
        print STDERR "<4>ignored a job without an id or a task\n";
        return;
    }
    if ($self->{drain} || $Workman::Signals::leave) {
        return $self->send(Workman::Outcome::abort($id, reason => 'stopping', requeue => 1));
    }
    my $task = $self->{tasks}->task($message->{task});
    if (!$task) {
        return $self->send(Workman::Outcome::fail($id,
            {message => "this worker has no task $message->{task}", code => 'task_not_found'}));
    }
    my $job = $self->{job} = Workman::Job->new($self, $message);
    my $outcome = Workman::Outcome::of($self, $task, $job);
    $self->{job} = undef;
    # A forked child that has come back from the task is not the one to answer.
    POSIX::_exit(1) if $$ != $self->{pid};
    my $max = $self->{hello}{max_line} || 1 << 24;
    $outcome = Workman::Outcome::fail($id, {code => 'result_too_large', message =>
                'the result is longer than a line may be: ' . length($outcome) . " of $max bytes"}, 0)
        if length $outcome > $max;
    $self->send($outcome);
    # The state is left to the loop: a kill ends the worker behind its outcome.
    $Workman::Signals::leave = 1 if $Workman::Signals::killed;
    return;
}

# ---- what a job may ask for ----

# A line that nobody answers. Nobody there: the daemon is gone, and so is the point of the job.
sub send {
    my ($self, $line) = @_;
    return if $self->{wire}->send($line);
    print STDERR "<3>the daemon is gone: $!\n";
    exit 1;
}

# As send(), from inside a job.
sub tell {
    my ($self, $line) = @_;
    return Workman::Signals::shielded(sub { $self->send($line) });
}

# Sends a message with a ref and waits for its reply; other lines keep their order for later.
sub request {
    my ($self, $open_line) = @_;
    my $ref = 'r' . ++$self->{refs};
    $self->tell(qq($open_line,"ref":"$ref"}));
    while (1) {
        while (defined(my $line = $self->{wire}->line)) {
            my $message = $self->_park($line);
            next if !$message || $message->{type} ne 'reply' || ($message->{id} // '') ne $ref;
            pop @{$self->{parked}};
            return $message->{result} if $message->{ok};
            Workman::Refused->throw(message => $message->{error}{message});
        }
        Workman::Refused->throw('the daemon has gone') if $self->{wire}->ended;
        $self->{wire}->fill(BLINK);
    }
}

# Reads what has come in, for the sake of a `cancel`.
sub look_for_cancel {
    my ($self) = @_;
    1 while $self->{wire}->fill(0);
    while (defined(my $line = $self->{wire}->line)) {
        $self->_park($line);
    }
    return;
}

# Keeps a line for after the job. Returns its message if it has to do with the job that runs.
sub _park {
    my ($self, $line) = @_;
    push @{$self->{parked}}, $line;
    return undef if $line !~ /"(?:cancel|reply|shutdown)"/;
    my $message = eval { $Workman::Wire::JSON->decode($line) };
    return undef if ref $message ne 'HASH' || !defined $message->{type};
    $self->{drain} = 1 if $message->{type} eq 'shutdown';
    my $job = $self->{job};
    $job->{cancelled} = $message->{reason} || 'revoked'
        if $message->{type} eq 'cancel' && $job && ($message->{id} // '') eq $job->id;
    return $message;
}

1;
