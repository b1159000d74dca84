/* SPDX-License-Identifier: MIT */
#include "svg.h"

#include <string.h>

/* Text of any origin: what has a meaning in XML is written otherwise, and bytes that no
 * document may have become blanks. */
static void put_text(FILE *out, const char *s)
{
    for (; *s != '\0'; s++) {
        switch (*s) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        default:
            fputc((unsigned char)*s < ' ' || (unsigned char)*s > '~' ? ' ' : *s, out);
        }
    }
}

void hm_svg_begin(struct hm_svg *svg, FILE *out, double width, double height,
                  const char *title)
{
    *svg = (struct hm_svg){.out = out};
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
            "width=\"%.0f\" height=\"%.0f\" font-family=\"'DejaVu Sans', "
            "'Helvetica Neue', Arial, sans-serif\">\n<title>",
            width, height, width, height);
    put_text(out, title);
    fprintf(out, "</title>\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n",
            width, height);
}

void hm_svg_end(struct hm_svg *svg)
{
    fputs("</svg>\n", svg->out);
}

void hm_svg_rect(struct hm_svg *svg, double x, double y, double width, double height,
                 const char *fill, double opacity, const char *hint)
{
    if (width <= 0 || height <= 0)
        return;
    fprintf(svg->out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                      "fill=\"%s\"",
            x, y, width, height, fill);
    if (opacity < 1)
        fprintf(svg->out, " fill-opacity=\"%.2f\"", opacity);
    if (hint == NULL) {
        fputs("/>\n", svg->out);
        return;
    }
    fputs("><title>", svg->out);
    put_text(svg->out, hint);
    fputs("</title></rect>\n", svg->out);
}

static void put_words(struct hm_svg *svg, double x, double y, double size,
                      enum hm_svg_anchor anchor, const char *fill, const char *more,
                      const char *text)
{
    static const char *const anchors[] = {"start", "middle", "end"};

    fprintf(svg->out,
            "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" text-anchor=\"%s\" "
            "fill=\"%s\"%s>",
            x, y, size, anchors[anchor], fill, more);
    put_text(svg->out, text);
    fputs("</text>\n", svg->out);
}

void hm_svg_text(struct hm_svg *svg, double x, double y, double size,
                 enum hm_svg_anchor anchor, const char *fill, const char *text)
{
    put_words(svg, x, y, size, anchor, fill, "", text);
}

void hm_svg_heading(struct hm_svg *svg, double x, double y, double size,
                    const char *text)
{
    put_words(svg, x, y, size, HM_SVG_START, "#1c2430", " font-weight=\"bold\"", text);
}

void hm_svg_code(struct hm_svg *svg, double x, double y, double size,
                 enum hm_svg_anchor anchor, const char *fill, const char *text)
{
    put_words(svg, x, y, size, anchor, fill,
              " font-family=\"'DejaVu Sans Mono', Menlo, monospace\"", text);
}

void hm_svg_strip_begin(struct hm_svg *svg, const char *fill)
{
    fprintf(svg->out, "<path fill=\"%s\" d=\"", fill);
}

void hm_svg_strip_add(struct hm_svg *svg, double x, double y, double width,
                      double height)
{
    fprintf(svg->out, "M%.2f %.1fh%.2fv%.1fh-%.2fz", x, y, width, height, width);
}

void hm_svg_strip_end(struct hm_svg *svg)
{
    fputs("\"/>\n", svg->out);
}
