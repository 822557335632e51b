;; Loops and recursion of every sort.
(func $loop.plain (type $tool) (loop $more (br $more)) unreachable)

(func $loop.calls (type $tool) (loop $more (call $nothing) (br $more)) unreachable)
(func $nothing)

;; One instruction that writes 1 MiB, over and over: the guest is hardly ever between two instructions.
(func $loop.bulk (type $tool)
  (local $at i32)
  (local.set $at (call $alloc (i32.const 0x100000)))
  (loop $more (memory.fill (local.get $at) (i32.const 1) (i32.const 0x100000)) (br $more))
  unreachable)

;; Asks for a secret that is not granted, over and over: the answer is always ready.
(func $loop.secrets (type $tool)
  (loop $more
    (global.set $next (i32.const 0x20000))
    (call $reference (i32.const 64) (i32.const 2) (i32.const 0))
    (br $more))
  unreachable)

(func $recurse.plain (type $tool) (call $recurse.plain (local.get 0) (local.get 1)))

(elem (table $table) (i32.const 0) func $recurse.indirect $nothing)
(func $recurse.indirect (type $tool)
  (call_indirect $table (type $tool) (local.get 0) (local.get 1) (i32.const 0)))

(func $recurse.mutual (type $tool) (call $mutual (local.get 0) (local.get 1)))
(func $mutual (param i32 i32) (result i32) (call $recurse.mutual (local.get 0) (local.get 1)))

;; A large frame each time: the stack ends in the middle of a function.
(func $recurse.wide (type $tool)
  (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64)
  (local.set $a (i64.load (i32.const 0))) (local.set $b (i64.load (i32.const 8)))
  (local.set $c (i64.load (i32.const 16))) (local.set $d (i64.load (i32.const 24)))
  (drop (call $recurse.wide (local.get 0) (local.get 1)))
  (i64.store (i32.const 0) (i64.add (local.get $a) (local.get $b)))
  (i64.store (i32.const 8) (i64.add (local.get $c) (local.get $d)))
  (i32.const 0))
