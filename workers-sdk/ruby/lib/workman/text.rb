# frozen_string_literal: true

require "json"

module Workman
  # JSON as the protocol wants it.
  module Text
    UNSERIALISABLE = [JSON::GeneratorError, JSON::NestingError, EncodingError, TypeError].freeze
    NESTING = {max_nesting: 510}.freeze

    module_function

    # To parse with options takes a third longer, and few messages are nested 100 levels deep.
    def value(json)
      JSON::Parser.new(json).parse
    rescue JSON::NestingError
      JSON.parse(json, max_nesting: 600)
    end

    def ms(seconds) = seconds && [0, (seconds * 1000).round].max

    # A member that carries a value: a binary string as base64, anything else as JSON.
    def payload(name, value)
      return %("#{name}_b64":"#{[value].pack("m0")}") if binary?(value)

      %("#{name}":#{json(value)})
    end

    def binary?(value) = value.is_a?(String) && value.encoding == Encoding::BINARY

    # A generator costs more than what it generates, so it is used again; not behind an error, which
    # leaves it wrong, and not by two threads.
    def json(value)
      generator, @generator = @generator || JSON::State.new(NESTING), nil
      text = generator.generate(value)
      @generator = generator
      # to_s stands in for objects that JSON has no words for. What it makes of an object without
      # one of its own is of use to nobody.
      raise TypeError, "an object is no JSON" if text.include?('"#<') && opaque?(value)

      text
    end

    def opaque?(value)
      case value
      when String, Symbol, Numeric, nil, true, false then false
      when Array then value.any? { |element| opaque?(element) }
      when Hash then value.any? { |key, element| opaque?(key) || opaque?(element) }
      else value.method(:to_s).owner == Kernel && value.method(:to_json).owner.name.start_with?("JSON::")
      end
    end

    # JSON members, each with a comma before it; those without a value are left out.
    def members(**members)
      members.compact.map { |key, value| %(,"#{key}":#{json(value)}) }.join
    end

    def utf8(text)
      text.encoding == Encoding::UTF_8 || text.encoding == Encoding::BINARY ?
        text.dup.force_encoding(Encoding::UTF_8).scrub : text.encode("UTF-8", invalid: :replace, undef: :replace)
    end

    # The frames that are not ours, as text.
    def stack(frames)
      (frames || []).reject { |frame| frame.start_with?(*FILES) }.join("\n")
    end

    def spec(task, args, delay: nil, priority: nil, unique: nil, max_attempts: nil)
      %("task":#{json(task.to_s)},#{payload("args", args)}) +
        members(delay_ms: ms(delay), priority: priority, unique: unique, max_attempts: max_attempts)
    end

    def note(text)
      $stderr.write("<4>workman: #{text}\n")
    rescue SystemCallError, IOError
      nil # There is no stderr.
    end
  end
end
