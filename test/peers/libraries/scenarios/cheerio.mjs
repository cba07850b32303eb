import assert from 'node:assert/strict'
import * as cheerio from 'cheerio'
import { closedPort, failure, scenario, service } from './harness.mjs'

const page = (text) => (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(`<h1>${text}</h1>`)
}

scenario('loads a page', async (context) => {
  const one = await service(context, { '/a': page('Grüße') })
  const $ = await cheerio.fromURL(`${one.url}/a?b=c`)
  assert.equal($('h1').text(), 'Grüße')
  assert.equal(one.received[0].url, '/a?b=c')
  assert.match(one.received[0].headers.accept, /text\/html/)
})

scenario('detects the encoding from the content-type and from the document', async (context) => {
  const latin = Buffer.from('<meta charset="iso-8859-1"><h1>Gr\xfc\xdfe</h1>', 'latin1')
  const one = await service(context, {
    '/header': (_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html; charset=iso-8859-1' }).end(latin),
    '/meta': (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(latin),
  })
  for (const path of ['/header', '/meta']) {
    const $ = await cheerio.fromURL(one.url + path)
    assert.equal($('h1').text(), 'Grüße', path)
  }
})

scenario('follows redirects, and returns the last URL', async (context) => {
  const one = await service(context, {
    '/first': (_request, response) => response.writeHead(301, { location: '/second/' }).end(),
    '/second/': (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<a href="third">x</a>')
    },
  })
  const $ = await cheerio.fromURL(`${one.url}/first`)
  assert.equal($('a').prop('href'), `${one.url}/second/third`)
})

scenario('fails on an error status, a wrong content type and a refused connection', async (context) => {
  const one = await service(context, {
    '/json': (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
  })
  const missing = await failure(cheerio.fromURL(`${one.url}/missing`))
  assert.equal(missing.statusCode, 404)
  assert.match((await failure(cheerio.fromURL(`${one.url}/json`))).message, /content-type/)
  const refused = await failure(cheerio.fromURL(`http://127.0.0.1:${await closedPort()}/`))
  assert.equal(refused.code, 'ECONNREFUSED')
})

scenario('loads a large page in chunks', async (context) => {
  const one = await service(context, {
    '/': async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      for (let i = 0; i < 200; i++) {
        response.write(`<p>${'x'.repeat(1000)}</p>`)
        if (i % 20 === 0) await new Promise(setImmediate)
      }
      response.end()
    },
  })
  const $ = await cheerio.fromURL(one.url)
  assert.equal($('p').length, 200)
})
