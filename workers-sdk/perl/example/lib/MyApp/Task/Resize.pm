package MyApp::Task::Resize;

# A task as a class: it is called Resize, and its options are methods.

use strict;
use warnings;

sub timeout      { return 60 }
sub max_attempts { return 4 }
sub backoff      { return {base => 1, max => 60, jitter => 0.2} }

sub run {
    my ($self, $args, $job) = @_;
    Workman::Permanent->throw('there is no width') if !$args->{width};
    for my $step (1 .. 3) {
        return Workman::Abort->throw('no longer wanted') if $job->cancelled;
        $job->progress($step, 3);
    }
    $job->enqueue(Echo => {resized => $args->{file}});
    return {width => $args->{width}};
}

1;
