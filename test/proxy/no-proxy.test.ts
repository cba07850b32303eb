import t from 'tap'
import { NoProxy } from '../../lib/proxy/no-proxy.js'
import fc from '../property.js'

const excludes = (list: string, url: string) => new NoProxy(list).excludes(new URL(url))

t.test('excludes the hosts of the list', async (t) => {
  const cases: [string, string[], string[]][] = [
    ['', [], ['http://a.com', 'http://localhost', 'http://127.0.0.1']],
    ['*', ['http://a.com', 'https://[::1]:99', 'http://127.0.0.1'], []],
    ['x.com *', ['http://a.com'], []],
    ['*:80', ['http://a.com', 'https://a.com:80'], ['https://a.com', 'http://a.com:81']],
    [
      'a.com',
      ['http://a.com', 'http://b.a.com', 'https://c.b.a.com:99'],
      ['http://ba.com', 'http://a.com.b', 'http://com'],
    ],
    ['.a.com', ['http://a.com', 'http://b.a.com'], ['http://ba.com']],
    ['*.a.com', ['http://b.a.com', 'http://c.b.a.com'], ['http://a.com', 'http://ba.com']],
    ['A.cOM', ['http://a.com', 'http://B.A.COM'], []],
    ['a.com.', ['http://a.com', 'http://b.a.com.'], ['http://a.com.b']],
    ['a.com', ['http://a.com.'], []],
    ['com', ['http://a.com'], ['http://a.org']],
    ['localhost', ['http://localhost:99', 'https://x.localhost'], ['http://127.0.0.1']],
    ['a.com,b.com c.com,\n\td.com', ['http://a.com', 'http://b.com', 'http://c.com', 'http://d.com'], ['http://e.com']],
    [',, a.com ,', ['http://a.com'], ['http://b.com']],
    ['a.com:80', ['http://a.com', 'http://b.a.com', 'https://a.com:80'], ['https://a.com', 'http://a.com:8080']],
    ['a.com:443', ['https://a.com'], ['http://a.com']],
    ['*.a.com:8080', ['http://b.a.com:8080'], ['http://b.a.com', 'http://a.com:8080']],
    ['127.0.0.1', ['http://127.0.0.1', 'http://127.0.0.1:99'], ['http://127.0.0.2', 'http://a.127.0.0.1.com']],
    ['0.0.1', [], ['http://127.0.0.1']],
    ['1', [], ['http://127.0.0.1']],
    ['::1', ['http://[::1]', 'https://[::1]:99'], ['http://[::2]']],
    ['[::1]', ['http://[::1]:99'], ['http://[::11]']],
    ['[::1]:80', ['http://[::1]'], ['http://[::1]:81']],
    ['0:0:0:0:0:0:0:1', ['http://[::1]'], []],
    ['FE80::1', ['http://[fe80::1]'], []],
    ['::ffff:127.0.0.1', ['http://[::ffff:7f00:1]'], []],
    ['münchen.de', ['http://münchen.de', 'http://x.xn--mnchen-3ya.de'], []],
  ]
  for (const [list, direct, proxied] of cases) {
    for (const url of direct) t.equal(excludes(list, url), true, `${JSON.stringify(list)} ${url}`)
    for (const url of proxied) t.equal(excludes(list, url), false, `${JSON.stringify(list)} ${url}`)
  }
})

t.test('invalid entries exclude nothing', async (t) => {
  const entries = [
    'a.com:',
    'a.com:x',
    'a.com:0',
    'a.com:99999',
    ':80',
    '.',
    '*.',
    '..a.com',
    '*a.com',
    'a.*.com',
    '*.*.a.com',
  ]
  for (const entry of [
    ...entries,
    'http://a.com',
    'a.com/8',
    'u@a.com',
    'a.com?',
    'a.com#',
    'a.com\\',
    '127.0.0.0/8',
  ]) {
    for (const url of ['http://a.com', 'http://b.a.com', 'http://127.0.0.1', 'http://127.0.0.0']) {
      t.equal(excludes(entry, url), false, `${entry} ${url}`)
    }
  }
})

t.test('no list throws, and lists exclude only what their entries exclude (property)', async (t) => {
  const entry = fc.stringMatching(/^[a-c.*:[\]0-9]{1,8}$/)
  const url = fc.constantFrom('http://a.b.c', 'https://c:81', 'http://[::1]', 'http://1.2.3.4')
  fc.assert(
    fc.property(fc.array(entry), url, (entries, url) => {
      const each = entries.some((one) => excludes(one, url))
      return excludes(entries.join(','), url) === each && excludes(entries.join(' '), url) === each
    }),
  )
  fc.assert(fc.property(fc.string(), (list) => typeof excludes(list, 'http://a.com') === 'boolean'))
  t.pass()
})
