package Workman::ByHand;

# A worker that was started by hand rather than by workmand: it lists its tasks, or runs one.

use strict;
use warnings;

use Workman::Job     ();
use Workman::Outcome ();
use Workman::Wire    ();

# Returns the exit status.
sub run {
    my ($worker, @arguments) = @_;
    $Workman::Wire::JSON->canonical;
    my $verb = shift @arguments // '';
    if ($verb eq '--list' && !@arguments) {
        $worker->load;
        print "$_\n" for $worker->tasks->names;
        return 0;
    }
    return _run_one($worker, @arguments) if $verb eq '--run' && @arguments >= 1 && @arguments <= 2;
    my $help = "This is a worker of workmand: the daemon starts it and sends it jobs. By hand:\n"
        . "  $0 --list             the names of its tasks\n"
        . "  $0 --run TASK [JSON]  runs a task and prints its result\n";
    my $wrong = $verb ne '' && $verb ne '--help';
    print {$wrong ? *STDERR : *STDOUT} $help;
    return $wrong ? 64 : 0;
}

sub _run_one {
    my ($worker, $name, $json) = @_;
    $worker->{pid} = $$;
    $worker->load;
    my $task = $worker->tasks->task($name);
    if (!$task) {
        print STDERR "there is no task $name; --list names those there are\n";
        return 1;
    }
    my $args = defined $json ? eval { $Workman::Wire::JSON->decode($json) } : undef;
    if (my $why = defined $json && $@) {
        print STDERR "the arguments are not JSON: $why";
        return 1;
    }
    my $talk = bless {worker => $worker}, 'Workman::ByHand::Talk';
    my $job  = Workman::Job->new($talk, {id => 'byhand000000', task => $name, args => $args});
    my $line = Workman::Outcome::of($worker, $task, $job);
    my $said = $Workman::Wire::JSON->decode($line);
    if ($said->{type} eq 'done') {
        my $result = Workman::Wire::value($said, 'result');
        print ref $result eq 'Workman::Bytes' ? $result->data
            : $Workman::Wire::JSON->encode($result) . "\n";
        $talk->tell('would enqueue ' . $Workman::Wire::JSON->encode($_)) for @{$said->{enqueue} // []};
        return 0;
    }
    print STDERR "$line\n";
    return 1;
}

# Stands for the daemon: what the job says is printed.
package Workman::ByHand::Talk;

sub hello           { return {} }
sub tell            { print STDERR "$_[1]\n"; return }
sub request         { print STDERR "$_[1]}\n"; return undef }
sub look_for_cancel { return }

1;
