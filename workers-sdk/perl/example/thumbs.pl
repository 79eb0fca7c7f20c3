#!/usr/bin/env perl
# Two tasks, one a closure and one a class. Try it: perl thumbs.pl --run resize '{"file":"a.png"}'
# Its profile is thumbs.yaml.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";
use Workman::Worker;

my $set = Workman::Task::Set->new;

my $resize = Workman::Task->new(
    resize => sub {
        my ($args, $job) = @_;
        Workman::Permanent->throw('no file is named', code => 'bad_args') if !defined $args->{file};
        $job->progress(1, 2);
        $job->enqueue(Report => {file => $args->{file}}, delay => 60);
        return {file => $args->{file}, width => $args->{width} // 200};
    },
    timeout      => 30,
    max_attempts => 4,
    backoff      => {base => 1, max => 60, jitter => 0.2},
);

# The worker must stop before the job could end: put it back with a mark, once.
$resize->on_abort(sub {
    my ($task, $job, $e) = @_;
    $job->enqueue(resize => {%{$job->args}, interrupted => $e->reason});
    return 0;    # It went back by itself; the daemon need not do it.
});

$set->add($resize);
$set->add('MyApp::Task::Report');
Workman::Worker->new(task_loader => sub { return $set })->run;
