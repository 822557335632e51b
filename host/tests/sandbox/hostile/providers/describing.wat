;; row describe-loops
(func (export "{interface}describe") (result i32) (loop $more (br $more)) unreachable)

;; row describe-loops-in-gates
(func (export "{interface}describe") (result i32)
  (loop $more (call $log (i32.const 3) (i32.const 64) (i32.const 2)) (br $more)) unreachable)

;; row describe-recurses
(func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1)))
(func (export "{interface}describe") (result i32) (call $deeper (i32.const 0)))

;; row describe-traps
(func (export "{interface}describe") (result i32) unreachable)

;; row describe-grows
(func (export "{interface}describe") (result i32)
  (loop $more (drop (memory.grow (i32.const 16))) (br $more)) unreachable)

;; row describe-table-grows
(func (export "{interface}describe") (result i32)
  (loop $more (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $more)) unreachable)

;; row describe-outside
(func (export "{interface}describe") (result i32) (i32.const -64))

;; row describe-misaligned
(func (export "{interface}describe") (result i32) (i32.const 65537))

;; row describe-tools-outside
(func (export "{interface}describe") (result i32) (local $at i32)
  (local.set $at (call $alloc (i32.const 40)))
  (i32.store offset=16 (local.get $at) (i32.const 0x70000000))
  (i32.store offset=20 (local.get $at) (i32.const 1))
  (local.get $at))

;; row describe-summary-outside
(func (export "{interface}describe") (result i32) (local $at i32)
  (local.set $at (call $alloc (i32.const 40)))
  (i32.store (local.get $at) (i32.const 64))
  (i32.store offset=4 (local.get $at) (i32.const -1))
  (local.get $at))

;; row describe-list-wraps
(func (export "{interface}describe") (result i32) (local $at i32)
  (local.set $at (call $alloc (i32.const 40)))
  (i32.store offset=16 (local.get $at) (i32.const 64))
  (i32.store offset=20 (local.get $at) (i32.const 0x4924925))
  (local.get $at))

;; row describe-million-tools
;; As many empty ones as fit into its memory.
(func (export "{interface}describe") (result i32) (local $at i32)
  (local.set $at (call $alloc (i32.const 40)))
  (i32.store offset=16 (local.get $at) (call $alloc (i32.const 56000000)))
  (i32.store offset=20 (local.get $at) (i32.const 1000000))
  (local.get $at))

;; row describe-aliased
;; A thousand prompts, each with the same megabyte as its name.
(func (export "{interface}describe") (result i32) (local $at i32) (local $list i32) (local $text i32) (local $i i32)
  (local.set $at (call $alloc (i32.const 40)))
  (local.set $text (call $filled (i32.const 97) (i32.const 0x100000)))
  (local.set $list (call $alloc (i32.const 24000)))
  (i32.store offset=32 (local.get $at) (local.get $list))
  (i32.store offset=36 (local.get $at) (i32.const 1000))
  (loop $more
    (i32.store (local.get $list) (local.get $text))
    (i32.store offset=4 (local.get $list) (i32.const 0x100000))
    (local.set $list (i32.add (local.get $list) (i32.const 24)))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $i) (i32.const 1000))))
  (local.get $at))

;; row describe-long
;; A summary of 12 MiB.
(func (export "{interface}describe") (result i32) (local $at i32)
  (local.set $at (call $alloc (i32.const 40)))
  (i32.store (local.get $at) (call $filled (i32.const 97) (i32.const 0xc00000)))
  (i32.store offset=4 (local.get $at) (i32.const 0xc00000))
  (local.get $at))

;; row start-loops
(func $begin (loop $more (br $more)))
(start $begin)

;; row start-traps
(func $begin unreachable)
(start $begin)

;; row start-grows
(func $begin (loop $more (drop (memory.grow (i32.const 16))) (br $more)))
(start $begin)

;; row start-recurses
(func $begin (call $begin))
(start $begin)

;; row realloc-loops
;; The hub's refusal is a text, for which it asks for memory.
(func (export "{interface}describe") (result i32)
  (call $reveal (i32.const 64) (i32.const 2) (i32.const 0)) (i32.const {described}))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (loop $more (br $more)) unreachable)

;; row realloc-traps
(func (export "{interface}describe") (result i32)
  (call $reveal (i32.const 64) (i32.const 2) (i32.const 0)) (i32.const {described}))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)

;; row realloc-outside
(func (export "{interface}describe") (result i32)
  (call $reveal (i32.const 64) (i32.const 2) (i32.const 0)) (i32.const {described}))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const -16))

;; row realloc-calls-back
;; The allocator asks the hub for something while the hub asks it for memory.
(func (export "{interface}describe") (result i32)
  (call $reveal (i32.const 64) (i32.const 2) (i32.const 0)) (i32.const {described}))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (call $reveal (i32.const 64) (i32.const 2) (i32.const 0)) (i32.const 0))

;; row post-return-loops
(func (export "cabi_post_{interface}describe") (param i32) (loop $more (br $more)))

;; row post-return-traps
(func (export "cabi_post_{interface}describe") (param i32) unreachable)

;; row post-return-calls-back
(func (export "cabi_post_{interface}describe") (param i32)
  (call $log (i32.const 3) (i32.const 64) (i32.const 2)))

;; row memory-from-the-start
(memory (export "memory") 1025)

;; row table-from-the-start
;; In place of the <table> of others.
(table $table 20001 funcref)

;; row data-outside
(data (i32.const 0x7fffff00) "outside")
