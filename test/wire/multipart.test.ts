import t from 'tap'
import { encodeMultipart } from '../../lib/wire/multipart.js'

t.test('a form comes back as it was', async (t) => {
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
