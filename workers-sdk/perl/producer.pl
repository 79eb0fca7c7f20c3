#!/usr/bin/env perl
# For the tests of the client: makes one call, which is told as JSON, and prints what came of it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP     ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Scalar::Util qw(blessed);
use Workman::Client;

my $json = JSON::PP->new->utf8->allow_nonref;
my $call = $json->decode($ARGV[0]);

sub made {
    my $client = Workman::Client->new(map { $_ => $call->{$_} } grep { exists $call->{$_} } qw(profile socket));
    my $method = $call->{call};
    return {value => $client->status} if $method eq 'status';
    my $args  = defined $call->{bytes} ? \decode_base64($call->{bytes}) : $call->{args};
    my $value = $client->$method($call->{task}, $args, %{$call->{options} // {}});
    return ref $value eq 'Workman::Bytes' ? {bytes => encode_base64($value->data, '')} : {value => $value};
}

my $said = eval { made() };
if (!$said) {
    my $e = $@;
    $said = {error => (ref $e) =~ s/.*:://r, message => "$e"};
    $said->{failure} = $e->failure if blessed $e && $e->can('failure');
}
print $json->encode($said), "\n";
