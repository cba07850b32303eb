import t from 'tap'
import { encodeMultipart } from '../../lib/wire/multipart.js'

t.test('an encoded form is decoded to the same entries', async (t) => {
  const form = new FormData()
  form.append('plain', 'line\none')
  form.append('a"b\r\nc', 'ü')
  form.append('file', new File(['content'], 'na"me.txt', { type: 'text/plain' }))
  form.append('blob', new Blob(['x']))
  const { contentType, length, parts } = encodeMultipart(form as never)
  const bytes = Buffer.from(await new Blob(parts as never[]).arrayBuffer())
  t.equal(bytes.length, length)
  const back = await new Response(bytes, { headers: { 'content-type': contentType } }).formData()
  t.equal(back.get('plain'), 'line\r\none')
  t.equal((back.get('file') as File).name, 'na"me.txt')
  t.equal((back.get('file') as File).type, 'text/plain')
  t.equal(await (back.get('file') as File).text(), 'content')
  t.equal((back.get('blob') as File).type, 'application/octet-stream')
  t.equal([...back.keys()].length, 4)
})

t.test('a custom File can not inject header lines', async (t) => {
  const file = { type: 'a/b\r\nx: y', size: 0, name: 'a\r\nx: y"', [Symbol.toStringTag]: 'File' }
  const { parts } = encodeMultipart([['name\r\nx: y"', file]] as never)
  const head = Buffer.from(parts[0] as Uint8Array).toString()
  t.strictSame(head.split('\r\n').slice(1), [
    'Content-Disposition: form-data; name="name%0D%0Ax: y%22"; filename="a%0D%0Ax: y%22"',
    'Content-Type: application/octet-stream',
    '',
    '',
  ])
})

t.test('every form has a different boundary', async (t) => {
  const types = new Set(Array.from({ length: 20 }, () => encodeMultipart([]).contentType))
  t.equal(types.size, 20)
  const { parts, length } = encodeMultipart([])
  t.equal(length, (parts[0] as Uint8Array).length, 'an empty form consists of the closing boundary')
})
