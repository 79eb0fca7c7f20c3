package Workman::Bytes;

# Bytes that are no text. They travel as base64 and print as themselves.

use strict;
use warnings;

use overload '""' => sub { ${$_[0]} }, bool => sub { length ${$_[0]} }, fallback => 1;

sub new  { my ($class, $bytes) = @_; return bless \$bytes, $class }
sub data { return ${$_[0]} }

1;
