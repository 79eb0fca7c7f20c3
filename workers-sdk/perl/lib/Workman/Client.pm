package Workman::Client;

# A producer: it puts jobs on the queue of a running workmand, through the daemon's control socket,
# whatever queue that is. It is not for the inside of a job: see enqueue of Workman::Job.

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::UNIX ();
use Workman::Exceptions ();
use Workman::Wire       ();

# A job that failed (error: what it said, code and data with it), or one not awaited to its end.
package Workman::Client::Failed;
our @ISA = ('Workman::Exception');
sub _default { return 'the job failed' }

package Workman::Client::Timeout;
our @ISA = ('Workman::Exception');
sub _default { return 'the time to wait for the job is over; the job goes on' }

package Workman::Client;

# new(socket => PATH) or new(profile => NAME), the name that the profile gives the daemon.
sub new {
    my ($class, %options) = @_;
    for my $option (keys %options) {
        croak "Workman::Client has no option $option" if $option !~ /\A(?:socket|profile)\z/;
    }
    my $name = $options{profile};
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
# without it the wait has no end. Dies with Workman::Client::Failed or Workman::Client::Timeout.
sub enqueue_with_wait {
    my ($self, $task, $args, %options) = @_;
    return Workman::Wire::value($self->_request($task, $args, %options, wait => 1), 'result');
}

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
    my $wire = $self->_connect;
    # The daemon may go while we write.
    local $SIG{PIPE} = 'IGNORE';
    $wire->send('{' . join(',', @say) . '}') or die "the daemon has closed its control socket: $!\n";
    my $line;
    while (!defined($line = $wire->line)) {
        die "the daemon has gone without an answer: nobody knows whether the job is on the queue\n"
            if $wire->ended;
        $wire->fill(undef);
    }
    my $reply = $Workman::Wire::JSON->decode($line);
    return $reply if $reply->{ok};
    Workman::Client::Timeout->throw(id => $reply->{id}) if $reply->{timeout};
    my $failure = $reply->{failure};
    Workman::Client::Failed->throw($reply->{error}, ref $failure eq 'HASH'
        ? (code => $failure->{code}, data => $failure->{data}, trace => $failure->{trace}) : ())
        if exists $reply->{failure};
    die 'the daemon refused the job: ' . ($reply->{error} // 'no reason given') . "\n";
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
    die "no running daemon was found; tried:\n", @tried,
        "Start `workmand PROFILE.yaml`. Without a daemon, `workman enqueue -p PROFILE.yaml TASK JSON`\n",
        "puts a job on the queue.\n";
}

# Why a socket cannot be used: anybody can put one below /tmp.
sub _untrusted {
    my ($path) = @_;
    my @found = lstat $path or return "$!";
    return 'belongs to somebody else' if $found[4] != $> && $found[4] != 0;
    return 'anybody may write to it'  if $found[2] & 002;
    return '';
}

1;
