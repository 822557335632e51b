;; More memory and tables than there are.
(func $memory.grow (type $tool)
  (loop $more (drop (memory.grow (i32.const 16))) (br $more)) unreachable)
(func $memory.grow-at-once (type $tool) (drop (memory.grow (i32.const 65000))) (call $done))
;; Leaves something in memory that it grows.
(func $memory.leave (type $tool)
  (local $from i32) (local.set $from (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)))
  (memory.fill (local.get $from) (i32.const 0xaa) (i32.const 0x100000)) (call $done))
;; Looks where that was, without growing, and after growing as much.
(func $memory.beyond (type $tool)
  (drop (i32.load (i32.mul (memory.size) (i32.const 65536)))) (call $done))
(func $memory.again (type $tool)
  (local $at i32) (local $end i32)
  (local.set $at (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)))
  (local.set $end (i32.add (local.get $at) (i32.const 0x100000)))
  (loop $more
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
  (call $done))
;; Grows up to its limit and writes everywhere: fine.
(func $memory.fill (type $tool)
  (drop (call $filled (i32.const 1) (i32.const 0x1c00000))) (call $done))
(func $table.grow (type $tool)
  (loop $more (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $more)) unreachable)
(func $table.grow-at-once (type $tool)
  (drop (table.grow $table (ref.null func) (i32.const -1))) (call $done))
