# Gearman from Perl, as its users write it: SERVER call|background|serve TASK [ARGS].
use strict;
use warnings;
use Gearman::Client;
use Gearman::Worker;

my ($server, $verb, $task, $args) = @ARGV;
if ($verb eq 'serve') { # One job, answered in capitals.
    my $worker = Gearman::Worker->new(job_servers => [$server]);
    my $done = 0;
    $worker->register_function($task, sub { return uc $_[0]->arg });
    $worker->work(on_complete => sub { $done = 1 }, stop_if => sub { $done }) until $done;
    exit 0;
}
my $client = Gearman::Client->new(job_servers => [$server]);
if ($verb eq 'background') {
    defined $client->dispatch_background($task, $args) or die "not taken\n";
} else {
    my $result = $client->do_task($task, $args) or die "failed\n";
    print $$result;
}
