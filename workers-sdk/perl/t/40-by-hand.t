# Started by hand; and what the classes refuse.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";
use Test::More;
use Workman::Worker;
use Workman::Client;

sub output {
    my (@arguments) = @_;
    local $ENV{WORKMAN};
    delete $ENV{WORKMAN};
    open my $pipe, '-|', 'sh', '-c', 'exec "$0" "$@" 2>&1 </dev/null', $^X, "$FindBin::Bin/../fixture.pl", @arguments or die $!;
    my $text = do { local $/; <$pipe> };
    close $pipe;
    return ($text, $? >> 8);
}

my ($text, $status) = output();
like $text, qr/This is a worker of workmand/, 'it says what it is';
is $status, 64, 'and that this is no use of it';
($text, $status) = output('--list');
like $text, qr/^kit\.echo$/m, '--list names the tasks';
($text, $status) = output('--run', 'kit.echo', '{"a":"\u00e9"}');
like $text, qr/^\{"a":"\xc3\xa9"\}$/m, '--run prints the result';
is $status, 0, 'and succeeds';
($text, $status) = output('--run', 'kit.fail', '{}');
like $text, qr/boom/, 'a failure is printed';
is $status, 1, 'and is one';
is +(output('--run', 'kit.echo', '{'))[1], 64, 'arguments that are no JSON are wrong usage';
like +(output('--run', 'kit.progress'))[0], qr/"type":"progress"/, 'what a job tells is printed';

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
