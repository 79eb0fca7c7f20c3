package Workman::Outcome;

# Runs one job and finds its one outcome: `done`, `fail` or `abort`, as the line that says so.

use strict;
use warnings;

use Carp ();
use Scalar::Util qw(blessed refaddr);
use Workman::Exceptions ();
use Workman::Signals    ();
use Workman::Wire       ();

use constant {
    RUNNING   => Workman::Signals::RUNNING,
    FINISHING => Workman::Signals::FINISHING,
};

# ---- lines ----

sub fail {
    my ($id, $error, $retry, $delay, $follow_ups) = @_;
    my $line = qq({"type":"fail","id":"$id",) . Workman::Wire::payload(error => $error);
    $line .= $retry ? ',"retry":true' : ',"retry":false' if defined $retry;
    $line .= ',"delay_ms":' . Workman::Wire::ms($delay) if defined $delay;
    return $line . ($follow_ups // '') . '}';
}

sub abort {
    my ($id, %say) = @_;
    my $line = qq({"type":"abort","id":"$id");
    $line .= ',' . Workman::Wire::payload(reason => "$say{reason}") if defined $say{reason};
    $line .= $say{requeue} ? ',"requeue":true' : ',"requeue":false' if defined $say{requeue};
    $line .= ',"delay_ms":' . Workman::Wire::ms($say{delay}) if defined $say{delay};
    return $line . ($say{follow_ups} // '') . '}';
}

# ---- running ----

# The outcome of a job. The state is FINISHING, or ABORTING behind a kill, when it returns.
sub of {
    my ($worker, $task, $job) = @_;
    my ($line, $traced, $trace);
    # The outer eval is for the kill alone: it may arrive between the end of the inner one and the
    # change of the state.
    my $whole = eval {
        my $before = $SIG{__DIE__};
        local $SIG{__DIE__} = $before || sub { ($traced, $trace) = ($_[0], Carp::longmess('')) };
        $Workman::Signals::state = RUNNING;
        my $result;
        my $good = eval {
            _hook($worker, $task, 'on_start', $job);
            $result = $task->run($job->args, $job);
            _hook($worker, $task, 'on_done', $job, $result) if $$ == $worker->{pid};
            1;
        };
        my $e = $@;
        die $Workman::Signals::killed if $Workman::Signals::killed;
        $line = $good ? _done($worker, $task, $job, $result)
              : _failed($worker, $task, $job, $e, _same($traced, $e) ? $trace : undef);
        $Workman::Signals::state = FINISHING;
        1;
    };
    return $line if $whole && !$Workman::Signals::killed;
    if (!$Workman::Signals::killed) {    # A fault of the SDK or of an exception class.
        my $why = "$@";
        $Workman::Signals::state = FINISHING;
        return fail($job->id, {message => $why, code => 'sdk_error'});
    }
    return _killed($worker, $task, $job);
}

sub _same {
    my ($traced, $e) = @_;
    return 0 if !defined $traced || !defined $e || !ref $traced != !ref $e;
    return ref $e ? refaddr $traced == refaddr $e : $traced eq $e;
}

# The hook of all tasks, then that of the task. What they return: the last one that is defined.
sub _hook {
    my ($worker, $task, $hook, @with) = @_;
    my $answer;
    for my $code ($worker->{$hook}, $task->hook($hook)) {
        my $said = $code ? $code->($task, @with) : undef;
        $answer = $said if defined $said;
    }
    return $answer;
}

# A hook that looks on cannot change the outcome: when it dies, the log says so.
sub _watch {
    my ($worker, $task, $hook, @with) = @_;
    my $answer;
    return $answer if eval { $answer = _hook($worker, $task, $hook, @with); 1 };
    my $why = $@;
    die $Workman::Signals::killed if $Workman::Signals::killed && $hook ne 'on_abort';
    print STDERR '<4>', $hook, ' of ', $task->name, ' died: ', $why =~ s/\s*\z/\n/r;
    return undef;
}

sub _done {
    my ($worker, $task, $job, $result) = @_;
    my $payload = eval { defined $result ? ',' . Workman::Wire::payload(result => $result) : '' };
    if (!defined $payload) {
        my $why = $@;
        die $Workman::Signals::killed if $Workman::Signals::killed;
        my $e = Workman::Exception->new(code => 'unserialisable_result',
            message => "the result is not JSON: $why");
        return _failed($worker, $task, $job, $e, undef);
    }
    my $id = $job->id;
    return qq({"type":"done","id":"$id"$payload) . $job->follow_ups . '}';
}

sub _failed {
    my ($worker, $task, $job, $e, $trace) = @_;
    $job->drop_follow_ups;
    if (blessed $e && $e->isa('Workman::Abort')) {
        my $said = _watch($worker, $task, 'on_abort', $job, $e);
        return abort($job->id, reason => $e->reason, requeue => $e->requeue // $said,
            delay => $e->delay, follow_ups => $job->follow_ups);
    }
    _watch($worker, $task, 'on_fail', $job, $e);
    my $ours = blessed $e && $e->isa('Workman::Exception');
    my %error = (message => "$e" =~ s/\s+\z//r, class => ref $e || 'die');
    $error{trace} = Workman::Signals::trimmed($trace) if defined $trace;
    $error{message} = 'died without a message' if $error{message} eq '';
    if ($ours) {
        $error{code} = '' . $e->code if defined $e->code;
        $error{data} = $e->data      if defined $e->data;
    }
    my ($retry, $delay);
    if ($ours) {
        ($retry, $delay) = (1, $e->delay) if $e->isa('Workman::Retry');
        $retry = 0 if $e->isa('Workman::Permanent');
    }
    my $line = eval { fail($job->id, \%error, $retry, $delay, $job->follow_ups) };
    return $line if defined $line;
    die $Workman::Signals::killed if $Workman::Signals::killed;
    delete $error{data};
    return fail($job->id, \%error, $retry, $delay, $job->follow_ups);
}

# SIGABRT has ended the job: its hook, then the one line that gives it back.
sub _killed {
    my ($worker, $task, $job) = @_;
    my $e = $Workman::Signals::killed;
    $job->drop_follow_ups;
    eval { $worker->look_for_cancel };
    my $left = $job->remaining;
    $e->{reason} = $job->{cancelled} || (defined $left && $left <= 0 ? 'timeout' : 'shutdown');
    my $said = _watch($worker, $task, 'on_abort', $job, $e);
    my $reason = 'force killed (' . $e->reason . ")\n" . $e->trace;
    print STDERR '<4>', $task->name, ' ', $job->id, " $reason\n";
    return abort($job->id, reason => $reason,
        requeue => $said, follow_ups => $job->follow_ups);
}

1;
