package Workman::Exceptions;

# What a task throws to say more than "failed", and what the SDK throws into a task. Each one is a
# hash with a message, prints as that message, and is thrown by Class->throw(...).

use strict;
use warnings;

package Workman::Exception;

use overload '""' => sub { $_[0]->message }, bool => sub { 1 }, fallback => 1;

# new(message) or new(name => value, ...) or new(message, name => value, ...).
sub new {
    my ($class, @with) = @_;
    unshift @with, 'message' if @with % 2;
    return bless {@with}, $class;
}

sub throw   { my $class = shift; die $class->new(@_) }
sub message { my $self  = shift; return $self->{message} // $self->_default }
sub code    { return $_[0]{code} }
sub data    { return $_[0]{data} }
sub trace   { return $_[0]{trace} }
sub _default { return ref $_[0] }

# "Try again later": delay is in seconds; without it the back-off of the task holds.
package Workman::Retry;
our @ISA = ('Workman::Exception');
sub delay    { return $_[0]{delay} }
sub _default { return 'to be tried again' }

# "Trying again is of no use": the job becomes a dead letter at once.
package Workman::Permanent;
our @ISA = ('Workman::Exception');
sub _default { return 'failed for good' }

# "Not done, give it back": not an attempt. requeue is true, false, or absent: the task's policy.
package Workman::Abort;
our @ISA = ('Workman::Exception');
sub requeue  { return $_[0]{requeue} }
sub delay    { return $_[0]{delay} }
sub reason   { return $_[0]->message }
sub _default { return 'given back' }

# The daemon did not take an enqueue(..., now => 1).
package Workman::Refused;
our @ISA = ('Workman::Exception');
sub _default { return 'no reason given' }

# Thrown into the running job by SIGABRT. reason is "timeout", "shutdown" or "revoked"; trace is the
# stack of the place where the job was.
package Workman::ForceKilled;
our @ISA = ('Workman::Exception');
sub reason   { return $_[0]{reason} // 'shutdown' }
sub _default { return 'force killed' }

1;
