#!/usr/bin/env perl
# The worker of the tests of this folder: what is of Perl alone.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Workman::Worker;

package Fixture::Task::Classy;
sub name    { return 'kit.class' }
sub timeout { return 600 }
sub limit   { return 2 }
sub run     { my ($self, $args, $job) = @_; return {class => $self, task => $job->task} }

package main;

my $set = Workman::Task::Set->new;

sub kit {
    my ($name, $code, @options) = @_;
    my $task = Workman::Task->new("kit.$name" => $code, @options);
    $set->add($task);
    return $task;
}

kit(echo => sub { return $_[0] });
kit(fail => sub { die "boom\n" if ($_[0] // {})->{plain}; die 'boom' });
kit(sleep => sub {
    my $s = $_[0]{s};
    $s < 1 ? select undef, undef, undef, $s : sleep $s;
    return $_[0];
});
kit(spin => sub {
    my $end = Workman::Wire::now() + $_[0]{s};
    1 while Workman::Wire::now() < $end;
    return $_[0];
});
kit(print => sub {
    my ($args) = @_;
    my $text = ($args->{text} // 'noise') . ($args->{newline} // 1 ? "\n" : '');
    print $text;
    system 'printf', '%s', $text if $args->{child};
    return undef;
});
kit(exit => sub { exit $_[0]{code} });
kit(progress => sub {
    my (undef, $job) = @_;
    $job->progress($_, 3, "step $_") for 1 .. 3;
    $job->log(warn => 'half-way', {step => 2})->heartbeat(5)->data({row => 1})->data(\"\xff", warn => 1);
    return $job->remaining;
});
kit(enqueue => sub { $_[1]->enqueue('kit.echo' => {from => $_[1]->id}, delay => 1.5); return 1 });
kit(enqueue_now => sub {
    my $said = $_[1]->enqueue('kit.echo' => \"\x00\xff", unique => 'u', now => 1);
    return {said => $said, cancelled => $_[1]->cancelled};
});
kit(bytes => sub { return \join '', map { chr($_ % 256) } 0 .. ($_[0]{n} // 256) - 1 });
kit(nan => sub { return {a => [9**9**9 / 9**9**9]} });
kit(orphan => sub { my $s = $_[0]{s}; system "sleep $s >/dev/null 2>&1 &"; return undef });
kit(throw => sub {
    my ($args) = @_;
    my ($class, @with) = @$args;
    "Workman::$class"->throw(@with);
});
kit(drop => sub { $_[1]->enqueue('kit.never'); die 'after all' });
kit(swallow => sub { eval { sleep 20 }; return 'went on' });
kit(sleepy => sub { return deep($_[0]) }, abort_policy => 'drop')
    ->on_abort(sub {
        my ($task, $job, $e) = @_;
        $job->enqueue('kit.print' => {text => 'again ' . $job->args->{s} . ', ' . $e->reason});
        return 0;
    });
kit(options => sub { 1 },
    timeout => 30, max_attempts => 4, on_abort => 'fail', limit => 3, stall => 2.5, payload => 'json',
    desc => 'all of them', backoff => {base => 1, max => 60, jitter => 0.2});
kit(fork => sub {
    my $child = fork or return 'child';
    waitpid $child, 0;
    return $? >> 8;
});
kit(args => sub {
    my ($args, $job) = @_;
    return {config => $job->config, attempt => $job->attempt, queue => $job->queue,
        defined $job->deadline ? (deadline => $job->deadline) : ()};
});
$set->add('Fixture::Task::Classy');

sub deep { sleep $_[0]{s}; return $_[0] }

Workman::Worker->new(
    task_loader => sub { return $set },
    prefetch    => $ENV{FIXTURE_PREFETCH},
    on_boot     => sub { print "marker on_boot\n" },
    on_exit     => sub { print "marker on_exit\n" },
    map({ my $hook = $_; $hook => sub { print STDERR "marker $hook ", $_[1]->id, "\n"; return } }
        qw(on_start on_done on_fail on_abort)),
)->run;
