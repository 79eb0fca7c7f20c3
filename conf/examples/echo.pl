#!/usr/bin/env perl
# A worker in Perl, core modules only. `$| = 1` makes every answer leave at once.
use strict;
use warnings;
use JSON::PP;
use Time::HiRes ();

my %tasks = (
    Echo  => sub { return $_[0] },
    Sleep => sub { Time::HiRes::sleep($_[0]{s}); return $_[0] },
    Fail  => sub { die "$_[0]{message}\n" },
);

$| = 1;
my $json = JSON::PP->new->utf8->allow_nonref;
sub out { my %message = @_; print $json->encode(\%message), "\n" }

out(type => 'ready', tasks => [sort keys %tasks]);
while (my $line = <STDIN>) {
    my $job = $json->decode($line);
    next if $job->{type} ne 'job';
    my $task = $tasks{$job->{task}} || sub { die "no task $job->{task}\n" };
    my $result;
    if (eval { $result = $task->($job->{args}); 1 }) {
        out(type => 'done', id => $job->{id}, result => $result);
    } else {
        chomp(my $error = $@);
        out(type => 'fail', id => $job->{id}, error => { message => $error });
    }
}
