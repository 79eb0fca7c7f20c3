package Workman::Task;

# A task: a name, the code that runs its jobs, its options and its hooks. The code is a closure or
# the method `run` of a class. A Workman::Task::Set is what a task loader returns.

use strict;
use warnings;

use Carp qw(croak);
use Workman::Wire ();

our @HOOKS   = qw(on_start on_done on_fail on_abort);
our @OPTIONS = qw(timeout max_attempts backoff payload abort_policy stall limit desc);
my %known = map { $_ => 1 } @OPTIONS, @HOOKS;

# new(NAME => sub { my ($args, $job) = @_; ... }, timeout => 30, ...). Times are in seconds.
# on_abort => "requeue", "fail" or "drop" is the policy; on_abort => sub {...} is the hook.
sub new {
    my ($class, $name, $code, %options) = @_;
    croak 'a task needs a name of 1 to 255 bytes without control characters'
        if !defined $name || $name !~ /\A[^\x00-\x1f\x7f]{1,255}\z/;
    croak "the code of the task $name is no code reference" if ref $code ne 'CODE';
    my $self = bless {name => $name, code => $code, hooks => {}}, $class;
    $self->_set(%options);
    return $self;
}

# A class with a method `run`; its name, options and hooks are methods of the same names.
sub of_class {
    my ($class, $module) = @_;
    if (!$module->can('run')) {
        (my $file = "$module.pm") =~ s{::}{/}g;
        require $file;
        croak "$module has no method run" if !$module->can('run');
    }
    my $object = $module->can('new')  ? $module->new : $module;
    my $name   = $module->can('name') ? $object->name : ($module =~ /([^:]+)\z/)[0];
    my %options;
    for my $option (@OPTIONS) {
        $options{$option} = $object->$option if $module->can($option);
    }
    for my $hook (@HOOKS) {
        next if !$module->can($hook);
        $options{$hook} = sub { my ($task, @rest) = @_; return scalar $object->$hook(@rest) };
    }
    return $class->new($name => sub { return scalar $object->run(@_) }, %options);
}

sub _set {
    my ($self, %options) = @_;
    $options{abort_policy} = delete $options{on_abort} if $options{on_abort} && !ref $options{on_abort};
    for my $option (sort keys %options) {
        croak "the task $self->{name} has an unknown option $option" if !$known{$option};
        my $value = $options{$option};
        if ($option =~ /\Aon_/) {
            $self->$option($value);
        } elsif (defined $value) {
            $self->{$option} = $value;
        }
    }
    my $policy = $self->{abort_policy} // 'requeue';
    croak "on_abort of $self->{name} is requeue, fail, drop or code, not $policy"
        if $policy !~ /\A(?:requeue|fail|drop)\z/;
    return;
}

sub name { return $_[0]{name} }
sub hook { return $_[0]{hooks}{$_[1]} }
sub run  { my ($self, $args, $job) = @_; return scalar $self->{code}->($args, $job) }

# ->on_abort(sub { my ($task, $job, $e) = @_; ... }): returns the task, so that calls can be chained.
for my $hook (@HOOKS) {
    no strict 'refs';
    *$hook = sub {
        my ($self, $code) = @_;
        croak "$hook of $self->{name} is no code reference" if ref $code ne 'CODE';
        $self->{hooks}{$hook} = $code;
        return $self;
    };
}

# The task as `ready` announces it: the bare name when nothing is to be said.
sub announcement {
    my ($self) = @_;
    my %say = (name => $self->{name});
    for ([timeout => 'timeout_ms'], [stall => 'stall_ms']) {
        my ($from, $to) = @$_;
        $say{$to} = Workman::Wire::ms($self->{$from}) if defined $self->{$from};
    }
    for (qw(max_attempts limit)) {
        $say{$_} = int $self->{$_} if defined $self->{$_};
    }
    for ([payload => 'payload'], [abort_policy => 'on_abort'], [desc => 'desc']) {
        my ($from, $to) = @$_;
        $say{$to} = "$self->{$from}" if defined $self->{$from};
    }
    if (my $backoff = $self->{backoff}) {
        my %from = ref $backoff ? %$backoff : (kind => 'const', base => $backoff);
        $say{backoff} = {kind => $from{kind} // 'exp', base_ms => Workman::Wire::ms($from{base} // 1)};
        $say{backoff}{max_ms} = Workman::Wire::ms($from{max}) if defined $from{max};
        $say{backoff}{jitter} = 0 + $from{jitter} if defined $from{jitter};
    }
    return keys %say > 1 ? \%say : $say{name};
}

package Workman::Task::Set;

use Carp qw(croak);
use Scalar::Util qw(blessed);

sub new { return bless {tasks => {}}, $_[0] }

# Adds a Workman::Task, or a class by its name. Returns the set.
sub add {
    my ($self, $task) = @_;
    $task = Workman::Task->of_class($task) if !blessed $task;
    croak 'add() takes a Workman::Task or the name of a class' if !$task->isa('Workman::Task');
    my $name = $task->name;
    croak "the task $name is in the set already" if $self->{tasks}{$name};
    $self->{tasks}{$name} = $task;
    return $self;
}

# The task of this name, else the one called "*", else undef.
sub task {
    my ($self, $name) = @_;
    return $self->{tasks}{$name} // $self->{tasks}{'*'};
}

sub names { my ($self) = @_; my @names = sort keys %{$self->{tasks}}; return @names }

sub announcement {
    my ($self) = @_;
    return [map { $self->{tasks}{$_}->announcement } $self->names];
}

1;
