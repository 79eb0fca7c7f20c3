use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../../../workers-sdk/perl/lib";
use Workman::Worker;

my %table = map { $_ => [$_] } 1 .. 130_000;    # Some 50 MiB.

Workman::Worker->new(task_loader => sub {
    my $set = Workman::Task::Set->new;
    $set->add(Workman::Task->new(Look => sub { return $table{7} }));
    return $set;
})->run;
