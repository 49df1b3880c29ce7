// Empty on purpose: it stands in the place of the theme's icon script; our icons are drawn in course.css.
