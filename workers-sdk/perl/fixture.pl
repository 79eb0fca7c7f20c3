#!/usr/bin/env perl
# The worker of the conformance tests: one task for each thing that a worker can do wrong.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Workman::Worker;

our $set = Workman::Task::Set->new;

sub kit {
    my ($name, $code, @options) = @_;
    my $task = Workman::Task->new("kit.$name" => $code, @options);
    $set->add($task);
    return $task;
}

sub marker {
    my ($task, $job, $e) = @_;
    print STDERR 'on_abort ', $job->id, ' ', $e->reason, "\n";
    return;
}

sub doze {
    my ($args, $job) = @_;
    1 while $args->{late} && $job->remaining > 0;
    $job->progress(0);
    Time::HiRes::sleep($args->{s});
    return $args;
}

kit(echo => sub { return $_[0] });

kit(fail => sub {
    my $kind = ref $_[0] eq 'HASH' && $_[0]{kind} || '';
    Workman::Retry->throw('later', delay => 5) if $kind eq 'retry';
    Workman::Permanent->throw('never', code => 'not_found', data => {n => 1}) if $kind eq 'permanent';
    Workman::Abort->throw('no', requeue => 1, delay => 2) if $kind eq 'abort';
    die 'boom';
}, max_attempts => 2, backoff => {base => 1, max => 60});

kit(sleep => \&doze)->on_abort(\&marker)
    ->on_done(sub { die "in a hook\n" if $_[1]->args->{hook_fails}; return });

kit(spin => sub {
    my ($args, $job) = @_;
    $job->progress(0);
    my $end = Time::HiRes::time() + $args->{s};
    1 while Time::HiRes::time() < $end;
    return $args;
}, timeout => 60)->on_abort(\&marker);

kit(requeue => sub {
    my ($args, $job) = @_;
    $job->enqueue('kit.never' => 1);
    print STDERR "requeue runs\n";
    return doze($args, $job);
})->on_abort(sub {
    marker(@_);
    $_[1]->enqueue('kit.echo' => {again => \1});
    return 0;
});

kit(print => sub {
    my ($args) = @_;
    my $text = $args->{text} // 'noise';
    if ($args->{child}) { system 'echo', $text }
    else                { print $text, $args->{newline} // 1 ? "\n" : '' }
    return $args;
});

kit(exit => sub { exit $_[0]{code} });

kit(progress => sub {
    my (undef, $job) = @_;
    $job->progress($_, 3, 'step') for 1 .. 3;
    $job->data({row => 1})->data(\"\xff", warn => 1);
    $job->log(warn => 'hello', {n => 1})->heartbeat(2.5);
    return undef;
});

kit(enqueue => sub {
    my ($args, $job) = @_;
    return $job->enqueue('kit.echo' => 1, unique => 'u', now => 1) if $args && $args->{now};
    $job->enqueue('kit.echo' => {n => 1}, delay => 1.5, priority => 'low', unique => 'u', max_attempts => 2);
    $job->enqueue('kit.echo' => \"\xff");
    return undef;
});

kit(chain => sub {
    my (undef, $job) = @_;
    $job->enqueue('kit.echo' => 'with the outcome');
    return $job->enqueue('kit.echo' => 'at once', now => 1);
});

kit(bytes => sub {
    my ($args) = @_;
    return $args if ref $args eq 'Workman::Bytes';
    return \join '', map { chr($_ % 256) } 0 .. $args->{n} - 1;
}, payload => 'base64');

kit(nan => sub { return {n => ($_[0] // '') eq 'object' ? sub { 1 } : 9**9**9 / 9**9**9} });

kit(orphan => sub {
    my $s   = $_[0]{s};
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    exec 'sleep', $s or POSIX::_exit(127);
});

kit(fork => sub {
    my $pid = fork // die "fork: $!\n";
    waitpid $pid, 0 if $pid;
    print STDERR "after_fork\n" if !$pid;
    return {parent => $pid ? \1 : \0};
});

kit(cancelled => sub {
    my (undef, $job) = @_;
    $job->progress(0);
    Time::HiRes::sleep(0.005) until $job->cancelled;
    Workman::Abort->throw('cancelled', requeue => 1);
});

# Turns the interruption into an error of its own, or into nothing.
kit(swallow => sub {
    my ($args, $job) = @_;
    $job->progress(0);
    return $args if eval { Time::HiRes::sleep($args->{s}); 1 };
    die "wrapped\n" if !$args->{quiet};
    return $args;
})->on_abort(\&marker);

# Its hook dies.
kit(rude => \&doze)->on_abort(sub { die "a rude hook\n" });

kit(context => sub {
    my (undef, $job) = @_;
    my $input = do { local $/; <STDIN> };
    return {
        attempt => $job->attempt, max_attempts => $job->max_attempts, deadline => $job->deadline,
        left  => $job->remaining, config      => $job->config,
        stdin => $input // '',    environment => exists $ENV{WORKMAN} ? \1 : \0,
    };
});

# Files of tasks, and a task more for each line of a file.
sub load {
    for my $file (split ' ', $ENV{KIT_LOAD} // '') {
        defined do $file or die $@ || "$file: $!\n";
    }
    my $path = $ENV{WORKMAN_KIT_TASKS} or return $set;
    open my $names, '<', $path or die "$path: $!\n";
    chomp(my @names = <$names>);
    $set->add(Workman::Task->new($_ => sub { return $_[0] })) for @names;
    return $set;
}

Workman::Worker->new(task_loader => \&load)->run;
