package MyApp::Task::Report;

# A task as a class: it is called Report; its options and hooks are methods.

use strict;
use warnings;

sub timeout { return 600 }

sub run {
    my ($self, $args, $job) = @_;
    $job->log(info => 'a report', {file => $args->{file}});
    return undef;
}

sub on_fail {
    my ($self, $task, $job, $e) = @_;
    $job->log(warn => 'attempt ' . $job->attempt . ' failed');
    return;
}

1;
