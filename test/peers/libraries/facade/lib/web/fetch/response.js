module.exports = require('undici-original/lib/web/fetch/response.js')
