import { execFileSync } from 'node:child_process'
import { Duplex, Readable, Transform } from 'node:stream'
import t from 'tap'
import { LazyDuplex, LazyReadable, LazyTransform } from '../../lib/base/lazy-streams.js'

t.test('instances of classes that extend a lazy stream are streams, whichever class is created first', async (t) => {
  class Numbers extends LazyReadable {
    #next = 0
    override _read(): void {
      this.push(this.#next < 3 ? String(this.#next++) : null)
    }
  }
  class More extends Numbers {}
  for (const Class of [More, Numbers, More]) {
    const numbers = new Class({ highWaterMark: 5 })
    t.ok(numbers instanceof Class)
    t.ok(numbers instanceof Readable)
    t.equal(numbers.readableHighWaterMark, 5)
    t.equal(Buffer.concat(await numbers.toArray()).toString(), '012')
  }
  t.equal(Object.getPrototypeOf(Numbers), Readable)
  t.equal(Object.getPrototypeOf(Numbers.prototype), Readable.prototype)
  t.equal(Object.getPrototypeOf(More), Numbers)
})

t.test('two classes that extend the same lazy stream stay separate', async (t) => {
  class One extends LazyDuplex {}
  class Other extends LazyDuplex {}
  class Third extends LazyTransform {}
  t.ok(new One() instanceof Duplex)
  t.notOk(new Other() instanceof One)
  t.ok(new Other() instanceof Duplex)
  t.ok(new Third() instanceof Transform)
})

t.test('importing the library loads no streams, sockets, TLS, compression, DNS or async hooks', async (t) => {
  const loadedBy = (program: string): string[] => {
    const source = `import fs from 'node:fs'\n${program}\nfs.writeSync(1, JSON.stringify(process.moduleLoadList))`
    return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' }))
  }
  const library = new URL('../../lib/index.js', import.meta.url).href
  const heavy = ['stream', 'net', 'tls', 'zlib', 'dns', 'async_hooks'].map((name) => `NativeModule ${name}`)
  const found = (program: string) => loadedBy(program).filter((name) => heavy.includes(name))
  t.strictSame(found(`await import('${library}')`), found(''))
  t.ok(found("await import('node:stream')").includes('NativeModule stream'), 'the check detects a loaded module')
})
