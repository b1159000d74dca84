#!/usr/bin/ruby
# frozen_string_literal: true
# SPDX-License-Identifier: MIT
# Builds and drops the objects that Ruby programs are made of: objects.rb ROUNDS. Strings
# and arrays longer than a slot of Ruby's own heap are blocks of malloc. Prints a digest.

Row = Struct.new(:id, :name, :tags, :note)

def words(rng, count)
  Array.new(count) { Array.new(3 + rng.rand(8)) { (97 + rng.rand(26)).chr }.join }
end

def tree(rng, depth)
  children = depth.zero? ? [] : Array.new(4) { tree(rng, depth - 1) }
  { name: 'node ' * (1 + rng.rand(12)), children: children }
end

def weigh(node)
  node[:name].length + node[:children].sum { |child| weigh(child) }
end

rng = Random.new(3)
digest = 0
Integer(ARGV[0]).times do
  text = words(rng, 15_000)
  counts = Hash.new(0)
  text.each { |word| counts[word] += 1 }
  digest += counts.sort_by { |word, n| [-n, word] }.first(100).join.sum

  rows = Array.new(10_000) do |i|
    Row.new(i, text[i], text[i, rng.rand(8)].dup, +'x' * rng.rand(400))
  end
  rows.shuffle!(random: rng)
  rows.each { |row| row.note << row.name << row.tags.join(',') }
  digest += rows.sort_by(&:name).first(200).sum { |row| row.note.length }
  digest += text.join(' ').gsub(/[aeiou]/) { |c| c.upcase * 2 }.sum

  digest += weigh(tree(rng, 6))
end
puts format('%08x', digest % 2**32)
