package Workman::Wire;

# The two descriptors that lead to the daemon, as lines of JSON. A Wire never interprets a message.
# Loading Workman::Worker under the daemon claims the descriptors, before any other module can
# print on them; children never inherit them.

use strict;
use warnings;

use Errno qw(EAGAIN EINTR);
use Fcntl qw(F_SETFD FD_CLOEXEC);
use MIME::Base64 qw(decode_base64 encode_base64);
use Scalar::Util qw(blessed looks_like_number reftype);
use Time::HiRes ();
use Workman::Bytes ();

our $JSON = _json();
our $TRUE = $JSON->decode('true');

# The fastest JSON module there is. Characters here, UTF-8 on the wire.
sub _json {
    for my $class (qw(Cpanel::JSON::XS JSON::XS JSON::PP)) {
        eval "require $class; 1" or next;
        my $json = $class->new->utf8->allow_nonref->convert_blessed;
        # Cpanel's default would make null of NaN, and the mistake would pass unseen.
        $json->stringify_infnan(2) if $json->can('stringify_infnan');
        return $json;
    }
    die "no JSON module was found, not even JSON::PP\n";
}

# ---- payloads ----

# A value as the members NAME or NAME_b64 of a message, without braces. Bytes are a Workman::Bytes or
# a reference to a plain scalar. Dies when JSON has no words for the value.
sub payload {
    my ($name, $value) = @_;
    if (ref $value && (blessed $value ? $value->isa('Workman::Bytes') : reftype $value eq 'SCALAR')) {
        my $bytes = $$value // '';
        utf8::downgrade($bytes, 1) or die "bytes must be below 256: encode the text first\n";
        return qq("${name}_b64":") . encode_base64($bytes, '') . '"';
    }
    my $text = $JSON->encode($value);
    # The pattern also finds harmless words, so the values decide. Numbers in JSON have no "n".
    die "NaN and Infinity are not JSON\n" if $text =~ /nan|inf/i && _not_a_number($value);
    return qq("$name":$text);
}

sub _not_a_number {
    my @values = @_;
    while (@values) {
        my $value = pop @values;
        if (my $type = reftype $value) {
            push @values, blessed $value && $value->can('TO_JSON') ? $value->TO_JSON
                : $type eq 'ARRAY' ? @$value : $type eq 'HASH' ? values %$value : ();
        } elsif (looks_like_number $value) {
            # The string "inf" looks like a number, too; it is none if JSON puts quotes around it.
            return 1 if $JSON->encode([$value]) =~ /\A\[\s*[-+]?[a-z]/i;
        }
    }
    return 0;
}

# The args or result of a decoded message.
sub value {
    my ($message, $name) = @_;
    my $base64 = $message->{"${name}_b64"};
    return defined $base64 ? Workman::Bytes->new(decode_base64($base64)) : $message->{$name};
}

# A whole number, for the wire: 0.1 s times 1000 is not quite 100.
sub ms { return int($_[0] * 1000 + 0.5) }

sub now { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

# ---- the descriptors ----

our $claimed;

# Takes the protocol away from STDIN and STDOUT: what is printed from now on goes to the log.
sub claim {
    return $claimed if $claimed;
    my ($in, $out);
    if (defined $ENV{WORKMAN_IN} && defined $ENV{WORKMAN_OUT}) {
        open $in,  '<&=', $ENV{WORKMAN_IN}  or die "WORKMAN_IN=$ENV{WORKMAN_IN}: $!\n";
        open $out, '>&=', $ENV{WORKMAN_OUT} or die "WORKMAN_OUT=$ENV{WORKMAN_OUT}: $!\n";
    } else {
        open $in,  '<&', \*STDIN  or die "stdin: $!\n";
        open $out, '>&', \*STDOUT or die "stdout: $!\n";
        open STDIN,  '<',  '/dev/null' or die "/dev/null: $!\n";
        open STDOUT, '>&', \*STDERR    or die "stderr: $!\n";
    }
    fcntl($_, F_SETFD, FD_CLOEXEC) for $in, $out;
    binmode $_ for $in, $out;
    my $before = select STDOUT;
    $| = 1;
    select $before;
    # A child is no worker, even if it is the same script.
    delete @ENV{qw(WORKMAN WORKMAN_IN WORKMAN_OUT)};
    return $claimed = __PACKAGE__->new($in, $out);
}

sub new {
    my ($class, $in, $out) = @_;
    return bless {in => $in, out => $out, buffer => '', first => 1}, $class;
}

# With other descriptors, and nothing read yet.
sub start_afresh {
    my ($self, $in, $out) = @_;
    binmode $_ for $in, $out;
    %$self = (in => $in, out => $out, buffer => '', first => 1);
    return;
}

# ---- reading ----

# The next whole line without its end, or undef when there is none yet.
sub line {
    my ($self) = @_;
    my $end = index $self->{buffer}, "\n", $self->{searched} // 0;
    if ($end < 0) {
        $self->{searched} = length $self->{buffer};
        return undef;
    }
    $self->{searched} = 0;
    my $line = substr $self->{buffer}, 0, $end + 1, '';
    chop $line;
    $line =~ s/\A\xEF\xBB\xBF//, $self->{first} = 0 if $self->{first};
    chop $line if substr($line, -1) eq "\r";
    return $line;
}

# Waits up to `seconds` for bytes and reads them: true when there was something, or the end.
sub fill {
    my ($self, $seconds) = @_;
    return 0 if $self->{ended};
    my $ready = '';
    vec($ready, fileno $self->{in}, 1) = 1;
    return 0 if select($ready, undef, undef, $seconds) <= 0;
    my $got = sysread $self->{in}, $self->{buffer}, 1 << 18, length $self->{buffer};
    return 0 if !defined $got && ($! == EINTR || $! == EAGAIN);
    $self->{ended} = 1 if !$got;
    return 1;
}

sub ended { return $_[0]{ended} }

# True when a whole line, or a part of one, has been read and not been taken.
sub pending { return length $_[0]{buffer} }

# True when a line that waits in the buffer is a notice to stop.
sub told_to_stop { return $_[0]{buffer} =~ /^\s*\{\s*"type"\s*:\s*"shutdown"/m }

# ---- writing ----

# Writes one line, whole. False when nobody reads any more.
sub send {
    my ($self, $line) = @_;
    my ($from, $size) = (0, length($line .= "\n"));
    while ($from < $size) {
        my $sent = syswrite $self->{out}, $line, $size - $from, $from;
        if (defined $sent) {
            $from += $sent;
        } elsif ($! == EAGAIN) {
            my $ready = '';
            vec($ready, fileno $self->{out}, 1) = 1;
            select undef, $ready, undef, 1;
        } elsif ($! != EINTR) {
            return 0;
        }
    }
    return 1;
}

1;
