;; row loops
(func $reply (result i32) (loop $more (br $more)) unreachable)

;; row recurses
(func $reply (result i32) (i32.add (call $reply) (i32.const 1)))

;; row traps
(func $reply (result i32) unreachable)

;; row grows
(func $reply (result i32) (loop $more (drop (memory.grow (i32.const 16))) (br $more)) unreachable)

;; row outside
(func $reply (result i32) (i32.const -64))

;; row no-case
(func $reply (result i32) (local $at i32)
  (local.set $at (call $alloc (i32.const 40)))
  (i32.store8 (local.get $at) (i32.const 2)) (local.get $at))

;; row items-outside
(func $reply (result i32) (call $items (i32.const 0x70000000) (i32.const 1)))

;; row items-millions
;; As many empty ones as fit into its memory.
(func $reply (result i32) (call $items (call $alloc (i32.const 57600000)) (i32.const 1600000)))

;; row text-outside
(func $reply (result i32) (call $one (i32.const 0x70000000) (i32.const 5)))

;; row text-no-text
(data (i32.const 128) "\ed\a0\80")
(func $reply (result i32) (call $one (i32.const 128) (i32.const 3)))

;; row text-12-mib
(func $reply (result i32) (call $one (call $filled (i32.const 97) (i32.const 0xc00000)) (i32.const 0xc00000)))

;; row text-unseen
(data (i32.const 128) "a\n\1b[2J\e2\80\aeb")
(func $reply (result i32) (call $one (i32.const 128) (i32.const 10)))

;; row error-no-code
(func $reply (result i32) (call $fail (i32.const 99) (i32.const 64) (i32.const 2)))

;; row error-no-text
(data (i32.const 128) "\ff")
(func $reply (result i32) (call $fail (i32.const 9) (i32.const 128) (i32.const 1)))

;; row error-12-mib
(func $reply (result i32)
  (call $fail (i32.const 9) (call $filled (i32.const 97) (i32.const 0xc00000)) (i32.const 0xc00000)))

;; row logs-on
(func $reply (result i32)
  (loop $more (call $log (i32.const 0) (i32.const 64) (i32.const 2)) (br $more)) unreachable)
