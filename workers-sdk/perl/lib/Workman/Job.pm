package Workman::Job;

# One delivery of a job, as its task sees it. It lives from the job's line to its outcome.

use strict;
use warnings;

use Workman::Wire ();

# The line of a job as the daemon writes it: type and id first, and the queue behind args. To decode
# the args alone is several times as fast as to decode it all, where JSON is decoded in Perl.
# Anything after `args` that does not belong to it would make it bad JSON, so a wrong match is none.
my $LINE = qr/\A\{"type":"job","id":"([0-9A-Za-z]+)","task":"([\w.:\/@-]+)","attempt":(\d+),
    (?:"max_attempts":(\d+),)?"timeout_ms":(\d+),(?:"deadline_at":(\d+),)?
    "args":(.*),"queue":(\{[^{}]*\})\}\z/asx;

# The message, or undef for a line that needs the whole decoder.
sub quick {
    my ($line) = @_;
    return undef if $line !~ $LINE;
    my %message = (type => 'job', id => $1, task => $2, attempt => $3, timeout_ms => $5, queue_json => $8);
    $message{max_attempts} = $4 if defined $4;
    $message{deadline_at}  = $6 if defined $6;
    return eval { $message{args} = $Workman::Wire::JSON->decode($7); 1 } ? \%message : undef;
}

sub new {
    my ($class, $worker, $message) = @_;
    my $limit = $message->{timeout_ms} || 0;
    return bless {
        worker  => $worker,
        message => $message,
        id      => $message->{id},
        args    => Workman::Wire::value($message, 'args'),
        ends    => $limit ? Workman::Wire::now() + $limit / 1000 : undef,
        enqueue => [],
    }, $class;
}

sub id           { return $_[0]{id} }
sub task         { return $_[0]{message}{task} }
sub args         { return $_[0]{args} }
sub attempt      { return 0 + ($_[0]{message}{attempt} // 1) }
sub max_attempts { my $most = $_[0]{message}{max_attempts}; return defined $most ? 0 + $most : undef }
sub config       { return $_[0]{worker}->hello->{config} // {} }

# driver, name, job (the queue's own id of it) and, where it is known, enqueued_at.
sub queue {
    my $message = $_[0]{message};
    return $message->{queue} //= defined $message->{queue_json}
        ? $Workman::Wire::JSON->decode($message->{queue_json}) : {};
}

# Seconds until the time limit, and the moment (Unix time) that the daemon set for it. undef: none.
sub remaining {
    my ($self) = @_;
    return defined $self->{ends} ? $self->{ends} - Workman::Wire::now() : undef;
}

sub deadline {
    my ($self) = @_;
    my $moment = $self->{message}{deadline_at};
    return defined $moment ? $moment / 1000 : undef;
}

# progress(1, 3, "downloaded")
sub progress {
    my ($self, $done, $total, $text) = @_;
    my %say = (done => 0 + $done);
    $say{total}   = 0 + $total if defined $total;
    $say{message} = "$text"    if defined $text;
    return $self->_tell('progress', \%say);
}

# A part of the result, sent on at once. data($value, warn => 1) is a warning.
sub data {
    my ($self, $value, %options) = @_;
    my $payload = Workman::Wire::payload(data => $value);
    return $self->_tell('data', {}, $options{warn} ? qq($payload,"warn":true) : $payload);
}

# log("text"), log(warn => "text") or log(warn => "text", {misses => 12})
sub log {
    my ($self, @with) = @_;
    my ($level, $text, $fields) = @with == 1 ? ('info', @with) : @with;
    return $self->_tell('log', {level => "$level", message => "$text", $fields ? (fields => $fields) : ()});
}

# "Still alive"; with seconds: and in need of so much more time.
sub heartbeat {
    my ($self, $extend) = @_;
    $self->{ends} += $extend if defined $extend && defined $self->{ends};
    return $self->_tell('heartbeat', defined $extend ? {extend_ms => Workman::Wire::ms($extend)} : {});
}

# A follow-up that rides in the job's `done`: it is dropped when the job fails or is aborted, and then
# the hooks may enqueue. Options: delay (seconds), priority, unique, max_attempts. now => 1: put on
# the queue at once, whatever becomes of this job; returns what the queue said of it, or throws
# Workman::Refused.
sub enqueue {
    my ($self, $task, $args, %options) = @_;
    return $self->{worker}->request('{"type":"enqueue",' . _spec($task, $args, %options))
        if delete $options{now};
    push @{$self->{enqueue}}, '{' . _spec($task, $args, %options) . '}';
    return $self;
}

sub drop_follow_ups { $_[0]{enqueue} = []; return }

# The daemon no longer wants this job: true (its reason) or false. It reads what has come in.
sub cancelled {
    my ($self) = @_;
    $self->{worker}->look_for_cancel;
    return $self->{cancelled};
}

# The follow-ups as the end of an outcome's line.
sub follow_ups {
    my ($self) = @_;
    return @{$self->{enqueue}} ? ',"enqueue":[' . join(',', @{$self->{enqueue}}) . ']' : '';
}

sub _tell {
    my ($self, $type, $say, $payload) = @_;
    my $line = qq({"type":"$type","id":"$self->{id}");
    $line .= ",$payload" if defined $payload;
    for my $name (sort keys %$say) {
        $line .= ',' . Workman::Wire::payload($name => $say->{$name});
    }
    $self->{worker}->tell("$line}");
    return $self;
}

sub _spec {
    my ($task, $args, %options) = @_;
    my $delay = delete $options{delay};
    my @spec = (Workman::Wire::payload(task => "$task"), Workman::Wire::payload(args => $args));
    push @spec, '"delay_ms":' . Workman::Wire::ms($delay) if defined $delay;
    for my $name (sort keys %options) {
        die "enqueue has no option $name\n" if $name !~ /\A(?:priority|unique|max_attempts)\z/;
        my $value = $options{$name};
        push @spec, Workman::Wire::payload($name => $name eq 'max_attempts' ? int $value : "$value");
    }
    return join ',', @spec;
}

1;
