;; More memory and tables than there are.
(func $memory.grow (type $tool)
  (loop $more (drop (memory.grow (i32.const 16))) (br $more)) unreachable)
(func $memory.grow-at-once (type $tool) (drop (memory.grow (i32.const 65000))) (call $done))
;; Grows up to its limit and writes everywhere: fine.
(func $memory.fill (type $tool)
  (drop (call $filled (i32.const 1) (i32.const 0x1c00000))) (call $done))
(func $table.grow (type $tool)
  (loop $more (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $more)) unreachable)
(func $table.grow-at-once (type $tool)
  (drop (table.grow $table (ref.null func) (i32.const -1))) (call $done))
