#!/usr/bin/env perl
# The worker for `workman test-worker --sdk --fixture`: the tasks kit.* and nothing else. What each
# has to do is in docs/cli.md.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Workman::Worker;

my $set = Workman::Task::Set->new;

sub kit {
    my ($name, $code) = @_;
    my $task = Workman::Task->new("kit.$name" => $code);
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
    $job->progress(0);
    Time::HiRes::sleep($args->{s});
    return $args;
}

kit(echo => sub { return $_[0] });
kit(fail => sub { die 'boom' });
kit(sleep => \&doze)->on_abort(\&marker);
kit(requeue => \&doze)->on_abort(sub { marker(@_); return 0 });
kit(spin => sub {
    my ($args, $job) = @_;
    $job->progress(0);
    my $end = Time::HiRes::time() + $args->{s};
    1 while Time::HiRes::time() < $end;
    return $args;
})->on_abort(\&marker);
kit(print => sub {
    my ($args) = @_;
    my $text = $args->{text} // 'noise';
    return system 'echo', $text if $args->{child};
    print $text, $args->{newline} // 1 ? "\n" : '';
    return undef;
});
kit(exit => sub { exit $_[0]{code} });
kit(progress => sub { $_[1]->progress($_, 3) for 1 .. 3; return undef });
kit(enqueue => sub {
    my ($args, $job) = @_;
    my $said = $job->enqueue('kit.echo' => {from => $job->id}, now => $args->{now});
    return $args->{now} ? $said : undef;
});
kit(bytes => sub { return \join '', map { chr($_ % 256) } 0 .. $_[0]{n} - 1 });
kit(nan => sub { return {n => 9**9**9 / 9**9**9} });
kit(orphan => sub { my $s = $_[0]{s}; return system "sleep $s &" });

# The tasks of case `reload`: one name a line, each returns its arguments.
if (my $path = $ENV{WORKMAN_KIT_TASKS}) {
    open my $names, '<', $path or die "$path: $!\n";
    for my $name (<$names>) {
        chomp $name;
        $set->add(Workman::Task->new($name => sub { return $_[0] }));
    }
}

Workman::Worker->new(task_loader => sub { return $set })->run;
