# frozen_string_literal: true

Gem::Specification.new do |gem|
  gem.name = "workman"
  gem.version = "0.1.0"
  gem.summary = "Workers for workmand, and a producer"
  gem.authors = ["The workmand authors"]
  gem.license = "MIT"
  gem.required_ruby_version = ">= 3.1"
  gem.files = Dir["lib/**/*.rb", "README.md"]
end
