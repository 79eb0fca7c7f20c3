# frozen_string_literal: true

$LOAD_PATH.unshift(File.expand_path("../../../workers-sdk/ruby/lib", __dir__))
require "workman"

TABLE = (1..320_000).to_h { |number| [number.to_s, [number]] } # Some 50 MiB.

Workman.task(:Look) { TABLE["7"] }
Workman.serve
