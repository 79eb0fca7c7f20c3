#!/usr/bin/env perl
# The real TheSchwartz, for the tests of interoperation:
#   schwartz.pl DSN USER PASSWORD insert FUNCTION EXPRESSION   puts a job with a Perl value as argument
#   schwartz.pl DSN USER PASSWORD work FUNCTION                works off all that it finds, and prints
#                                                              each argument as JSON, one a line
use strict;
use warnings;

use JSON::PP;
use TheSchwartz;
use TheSchwartz::Worker;

my ($dsn, $user, $password, $verb, $function, $expression) = @ARGV;
my $client = TheSchwartz->new(
    databases => [ { dsn => $dsn, user => $user, pass => $password } ]);

if ($verb eq 'insert') {
    my $argument = eval $expression;
    die $@ if $@;
    my $handle = $client->insert($function, $argument) or die "not inserted\n";
    print $handle->jobid, "\n";
    exit 0;
}

{
    no strict 'refs';
    @{"${function}::ISA"} = ('TheSchwartz::Worker');
    *{"${function}::work"} = sub {
        my ($class, $job) = @_;
        print JSON::PP->new->canonical->allow_nonref->encode($job->arg), "\n";
        $job->completed;
    };
}
$client->can_do($function);
$client->work_until_done;
