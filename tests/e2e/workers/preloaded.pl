# A worker that is forked from a template; what it does while it loads stands in a file.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../../../workers-sdk/perl/lib";
use Workman::Worker;
use POSIX ();

sub record {
    my ($what, %fields) = @_;
    open my $file, '>>', $ENV{WORKMAN_E2E_RECORD} or die "record: $!\n";
    syswrite $file, $Workman::Wire::JSON->encode({what => $what, pid => $$ + 0, %fields}) . "\n";
    return;
}

open my $code, '<', $ENV{WORKMAN_E2E_CODE} or die "code: $!\n";
my ($order, $status) = split ' ', <$code>;
close $code;

sub tasks {
    record('load', order => $order);
    sleep 600 if $order eq 'hang';
    if ($order eq 'exit') {
        print STDERR "will not load\n";
        exit $status;
    }
    my $set = Workman::Task::Set->new;
    $set->add(Workman::Task->new(Who => sub {
        print "asked $$\n";
        return {pid => $$ + 0, ppid => getppid() + 0, sid => getpgrp() + 0, version => $order,
            worker => $ENV{WORKMAN_WORKER}};
    }));
    $set->add(Workman::Task->new(Echo => sub { return $_[0] }));
    $set->add(Workman::Task->new(
        Sleep    => sub { record('sleep'); sleep $_[0]{s}; return $_[0] },
        on_abort => sub { record('on_abort'); return 0 },
    ));
    return $set;
}

Workman::Worker->new(
    task_loader => \&tasks,
    before_fork => sub { record('before_fork') },
    after_fork  => sub { record('after_fork') },
    on_boot     => sub { record('boot') },
    on_exit     => sub { record('exit') },
)->run;
