#!/usr/bin/env perl
# Two tasks, one a closure and one a class. Its profile is thumbs.yaml.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";
use Workman::Worker;

my $set = Workman::Task::Set->new;

$set->add(
    Workman::Task->new(
        Echo => sub {
            my ($args, $job) = @_;
            return $args;
        },
        timeout => 30,
    )->on_abort(sub {
        my ($task, $job, $e) = @_;
        $job->enqueue(Echo => $job->args);
        return 0;    # it is on the queue again already
    })
);
$set->add('MyApp::Task::Resize');

Workman::Worker->new(task_loader => sub { return $set })->run;
