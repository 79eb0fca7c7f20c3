# What the classes refuse.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";
use Test::More;
use Workman::Worker;
use Workman::Client;

my $set = Workman::Task::Set->new;
$set->add(Workman::Task->new(One => sub { 1 }));
ok !eval { $set->add(Workman::Task->new(One => sub { 1 })); 1 }, 'a name is taken once';
ok !eval { Workman::Task->new(Two => sub { 1 }, tiemout => 1); 1 }, 'an unknown option is refused';
like $@, qr/tiemout/, 'by its name';
ok !eval { Workman::Task->new(Two => sub { 1 }, on_abort => 'retry'); 1 },
    'and so is an unknown policy';
ok !eval { $set->add('No::Such::Class'); 1 }, 'and a class that is not there';
is_deeply [$set->names], ['One'], 'none of them is in the set';
is_deeply(Workman::Task->new(T => sub { }, backoff => 3)->announcement,
    {name => 'T', backoff => {kind => 'const', base_ms => 3000}},
        'a plain back-off is a constant one');

ok !eval { Workman::Client->new(socket => "$FindBin::Bin/none.sock")->enqueue('Echo', {}); 1 },
    'without a daemon, a client dies';
like $@, qr/none\.sock: No such file.*`workman enqueue/s,
    'and tells what was tried and what else there is';
done_testing;
