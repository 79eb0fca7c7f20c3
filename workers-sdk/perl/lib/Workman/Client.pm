package Workman::Client;

# A producer: it puts jobs on the queue of a running workmand, through the daemon's control socket,
# whatever queue that is. It is not for the inside of a job: see enqueue of Workman::Job.

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::UNIX ();
use Workman::Exceptions ();
use Workman::Wire       ();

# The daemon refused the request; the message is its sentence.
package Workman::ClientError;
our @ISA = ('Workman::Exception');
sub _default { return 'refused' }

# No daemon answers; the message names every path that was tried.
package Workman::NoDaemon;
our @ISA = ('Workman::ClientError');

# The wait ran out; the job goes on.
package Workman::WaitTimeout;
our @ISA = ('Workman::ClientError');
sub _default { return 'the time to wait for the job is over; the job goes on' }

# The job's final outcome is a failure, whose whole error object is `failure`; code, data and trace
# are parts of it.
package Workman::JobFailed;
our @ISA = ('Workman::ClientError');
sub failure  { return $_[0]{failure} }
sub _default { return 'the job failed' }

package Workman::Client;

# new(socket => PATH) or new(profile => NAME), the name that the profile gives the daemon. In a worker,
# new() means its own daemon's profile.
sub new {
    my ($class, %options) = @_;
    for my $option (keys %options) {
        croak "Workman::Client has no option $option" if $option !~ /\A(?:socket|profile)\z/;
    }
    my $name = $options{profile} // $ENV{WORKMAN_PROFILE};
    croak 'Workman::Client needs a socket or the name of a profile' if !defined($options{socket} // $name);
    croak 'profile is a name, not a file' if defined $name && $name =~ m{/|\.ya?ml\z};
    return bless {paths => [defined $options{socket} ? $options{socket} : _paths($name)]}, $class;
}

sub _paths {
    my ($name) = @_;
    my @folders = ('/run/workman');
    push @folders, "$ENV{XDG_RUNTIME_DIR}/workman" if $ENV{XDG_RUNTIME_DIR};
    push @folders, "/tmp/workman-$>";
    return map {"$_/$name.sock"} @folders;
}

# enqueue(TASK => $args, delay => 5, priority => 'low', unique => KEY, max_attempts => 3): returns the
# queue's id of the job. Its result is nobody's business.
sub enqueue {
    my ($self, $task, $args, %options) = @_;
    return $self->_request($task, $args, %options, wait => 0)->{id};
}

# The same under the name that is clear beside enqueue_with_wait.
sub enqueue_background { return shift->enqueue(@_) }

# Waits for the final outcome (after every retry) and returns the result. timeout is in seconds;
# without it the wait has no end. Throws Workman::JobFailed or Workman::WaitTimeout.
sub enqueue_with_wait {
    my ($self, $task, $args, %options) = @_;
    return Workman::Wire::value($self->_request($task, $args, %options, wait => 1), 'result');
}

sub status { return $_[0]->_ask('{"verb":"status"}')->{status} }

sub _request {
    my ($self, $task, $args, %options) = @_;
    my @say = ('"verb":"enqueue"', Workman::Wire::payload(task => "$task"),
        Workman::Wire::payload(args => $args));
    push @say, '"wait":true' if delete $options{wait};
    for my $name (sort keys %options) {
        my $value = $options{$name};
        next if !defined $value;
        push @say, $name =~ /\A(?:delay|timeout)\z/ ? qq("${name}_ms":) . Workman::Wire::ms($value)
            : $name eq 'max_attempts' ? qq("$name":) . int $value
            : $name =~ /\A(?:priority|unique)\z/ ? Workman::Wire::payload($name => "$value")
            : croak "enqueue has no option $name";
    }
    return $self->_ask('{' . join(',', @say) . '}');
}

# One request of the control socket, one reply.
sub _ask {
    my ($self, $request) = @_;
    my $wire = $self->_connect;
    # The daemon may go while we write.
    local $SIG{PIPE} = 'IGNORE';
    $wire->send($request) or Workman::ClientError->throw("the daemon broke off: $!");
    my $line;
    while (!defined($line = $wire->line)) {
        Workman::ClientError->throw('the daemon has gone before it answered; nobody knows what became of the request')
            if $wire->ended;
        $wire->fill(undef);
    }
    my $reply = $Workman::Wire::JSON->decode($line);
    return $reply if $reply->{ok};
    Workman::WaitTimeout->throw(message => $reply->{error}, id => $reply->{id}) if $reply->{timeout};
    my $failure = $reply->{failure};
    Workman::JobFailed->throw(message => $reply->{error}, failure => $failure, ref $failure eq 'HASH'
        ? (code => $failure->{code}, data => $failure->{data}, trace => $failure->{trace}) : ())
        if exists $reply->{failure};
    Workman::ClientError->throw(message => $reply->{error});
}

# The first daemon that answers, on a connection of its own: replies need no telling apart.
sub _connect {
    my ($self) = @_;
    my @tried;
    for my $path (@{$self->{paths}}) {
        my $why = _untrusted($path);
        if (!$why) {
            my $socket = IO::Socket::UNIX->new(Peer => $path);
            return Workman::Wire->new($socket, $socket) if $socket;
            $why = $!;
        }
        push @tried, "  $path: $why\n";
    }
    Workman::NoDaemon->throw(join '', "no running daemon was found; tried:\n", @tried,
        "Start `workmand PROFILE.yaml`. Without a daemon, `workman enqueue -p PROFILE.yaml TASK JSON`\n",
        'puts a job on the queue.');
}

# Why a socket cannot be used: anybody can put one below /tmp.
sub _untrusted {
    my ($path) = @_;
    my @found = lstat $path or return "$!";
    return 'belongs to somebody else' if $found[4] != $> && $found[4] != 0;
    return 'everybody may write to it'  if $found[2] & 002;
    return '';
}

1;
