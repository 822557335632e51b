;; Outputs that are not JSON, not text, or too much of it.
(data (i32.const 128) "{\22a\22:\22\ff\fe\22}")
(func $output.not-utf8 (type $tool) (call $ok (i32.const 128) (i32.const 10)))
(data (i32.const 144) "{\22a\22:\22\ed\a0\80\22}")
(func $output.surrogate-bytes (type $tool) (call $ok (i32.const 144) (i32.const 11)))
(func $output.empty (type $tool) (call $ok (i32.const 64) (i32.const 0)))
(func $output.cut-off (type $tool) (call $ok (i32.const 64) (i32.const 1)))
(data (i32.const 160) "null")
(func $output.null (type $tool) (call $ok (i32.const 160) (i32.const 4)))
(data (i32.const 168) "{\22a\22:NaN}")
(func $output.nan (type $tool) (call $ok (i32.const 168) (i32.const 9)))
(data (i32.const 184) "{\22a\22:Infinity}")
(func $output.infinity (type $tool) (call $ok (i32.const 184) (i32.const 14)))
(data (i32.const 200) "{\22a\22:1e999}")
(func $output.too-great (type $tool) (call $ok (i32.const 200) (i32.const 11)))
(data (i32.const 216) "{\22a\22:\22\5cud800\22}")
(func $output.lone-surrogate (type $tool) (call $ok (i32.const 216) (i32.const 14)))
(data (i32.const 232) "{} {}")
(func $output.twice (type $tool) (call $ok (i32.const 232) (i32.const 5)))
(data (i32.const 240) "\ef\bb\bf{}")
(func $output.byte-order-mark (type $tool) (call $ok (i32.const 240) (i32.const 5)))
(data (i32.const 248) "{\22a\22:\22\00\0a\22}")
(func $output.control (type $tool) (call $ok (i32.const 248) (i32.const 10)))
(data (i32.const 264) "{\22a\22:1,\22a\22:2}")
(func $output.doubled-key (type $tool) (call $ok (i32.const 264) (i32.const 13)))

;; [[[[… a hundred thousand deep.
(func $output.deep (type $tool)
  (call $ok (call $filled (i32.const 0x5b) (i32.const 100000)) (i32.const 100000)))

;; {"a":1111… 4 MiB of digits.
(func $output.long-number (type $tool)
  (local $at i32)
  (local.set $at (call $filled (i32.const 0x31) (i32.const 0x400000)))
  (memory.copy (local.get $at) (i32.const 264) (i32.const 5))
  (i32.store8 (i32.add (local.get $at) (i32.const 0x3fffff)) (i32.const 0x7d))
  (call $ok (local.get $at) (i32.const 0x400000)))

;; 11 MiB of spaces.
(func $output.flood (type $tool)
  (call $ok (call $filled (i32.const 0x20) (i32.const 0xb00000)) (i32.const 0xb00000)))

;; {"a":[{"":0},{"":0}, … 10 MiB in all: a hundred times as much once it is parsed.
(data (i32.const 280) "{\22\22:0},")
(func $output.bomb (type $tool)
  (local $at i32) (local $to i32) (local $end i32)
  (local.set $at (call $alloc (i32.const 0xa00000)))
  (memory.copy (local.get $at) (i32.const 264) (i32.const 5))
  (i32.store8 offset=5 (local.get $at) (i32.const 0x5b))
  (local.set $to (i32.add (local.get $at) (i32.const 6)))
  (local.set $end (i32.add (local.get $at) (i32.const 0x9ffff0)))
  (loop $more
    (memory.copy (local.get $to) (i32.const 280) (i32.const 7))
    (local.set $to (i32.add (local.get $to) (i32.const 7)))
    (br_if $more (i32.lt_u (local.get $to) (local.get $end))))
  (i32.store8 (i32.sub (local.get $to) (i32.const 1)) (i32.const 0x5d))
  (i32.store8 (local.get $to) (i32.const 0x7d))
  (call $ok (local.get $at) (i32.sub (i32.add (local.get $to) (i32.const 1)) (local.get $at))))

;; A content is 32 bytes; zeroes are an empty text.
(func $contents.thousands (type $tool)
  (call $answer (i32.const 64) (i32.const 2) (call $alloc (i32.const 0x800000)) (i32.const 0x40000)))

;; The same 1 MiB ten thousand times.
(func $contents.aliased (type $tool)
  (local $text i32) (local $at i32) (local $i i32)
  (local.set $text (call $filled (i32.const 0x78) (i32.const 0x100000)))
  (local.set $at (call $alloc (i32.const 320000)))
  (loop $more
    (i32.store offset=4 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 32))) (local.get $text))
    (i32.store offset=8 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 32))) (i32.const 0x100000))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $i) (i32.const 10000))))
  (call $answer (i32.const 64) (i32.const 2) (local.get $at) (i32.const 10000)))

(func $error.not-utf8 (type $tool) (call $fail (i32.const 0) (i32.const 128) (i32.const 10)))
(func $error.flood (type $tool)
  (call $fail (i32.const 9) (call $filled (i32.const 0x78) (i32.const 0xb00000)) (i32.const 0xb00000)))
;; A control sequence and the greatest wait there is.
(data (i32.const 296) "\1b[2Jcleared\0d\0aforged")
(func $error.ages (type $tool)
  (local $at i32)
  (local.set $at (call $fail (i32.const 4) (i32.const 296) (i32.const 19)))
  (i32.store8 offset=24 (local.get $at) (i32.const 1))
  (i64.store offset=32 (local.get $at) (i64.const -1))
  (local.get $at))
