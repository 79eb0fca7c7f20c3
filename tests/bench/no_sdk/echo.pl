# The loop without a library that the bench of the SDKs measures against.
use strict;
use warnings;
use JSON::PP;
$| = 1;
my $json = JSON::PP->new->utf8->allow_nonref;
sub out { my %message = @_; print $json->encode(\%message), "\n" }
out(type => 'ready', tasks => ['kit.echo']);
while (my $line = <STDIN>) {
    my $job = $json->decode($line);
    next if $job->{type} ne 'job';
    my $result;
    if (eval { $result = $job->{args}; 1 }) {
        out(type => 'done', id => $job->{id}, result => $result);
    } else {
        out(type => 'fail', id => $job->{id}, error => { message => "$@" });
    }
}
